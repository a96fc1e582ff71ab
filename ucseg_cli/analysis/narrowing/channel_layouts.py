"""Lengths of axes as sums of multiples of variables; a union-find says which must stay equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd
from typing import NamedTuple

UNKNOWN = 0
"""The order of elements that are counted, and not followed."""


class Term(NamedTuple):
    """A variable, so many *times*: as in a flattened map, or in as many groups of channels.

    *run* is the order: so many copies of an element stand side by side. A map of 7×7 flattened has
    each channel 49 times in a row, groups have all their channels once, again and again. It may be
    UNKNOWN.
    """

    variable: int
    times: int = 1
    run: int = 1


Layout = tuple[Term, ...]
"""The length of an axis, from its first element on: 64 channels of one map, then 24 of another."""

Element = tuple[int, int]
"""One element of a variable: its number, and the element's place in it."""


class Layouts:
    """The variables of a trace, with their lengths.

    A variable may turn out to be made of others, when a sum needs equal cuts. One is *fixed*, with
    the first reason, if the trace does not show what else becomes shorter with it.
    """

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self._made_of: dict[int, Layout] = {}
        self._fixed: dict[int, str] = {}
        self._mixed: set[int] = set()

    def new(self, length: int, reason: str | None = None) -> Layout:
        """An axis of its own; fixed if there is a *reason*."""
        self.lengths.append(length)
        variable = len(self.lengths) - 1
        if reason is not None:
            self._fixed[variable] = reason
        return (Term(variable),)

    def length(self, layout: Layout) -> int:
        """How many elements the axis has."""
        return sum(self.lengths[term.variable] * term.times for term in layout)

    def resolve(self, layout: Layout) -> Layout:
        """The layout in variables that are not made of others, neighbours of one variable added."""
        terms: list[Term] = []
        for term in self._leaves(layout):
            if terms and terms[-1].variable == term.variable:
                before = terms.pop()
                run = term.run if term.run == before.run else UNKNOWN
                terms.append(Term(term.variable, before.times + term.times, run))
            else:
                terms.append(term)
        return tuple(terms)

    def is_in_order(self, layout: Layout) -> bool:
        """Whether it is known which element stands at each place of an axis."""
        terms = self.resolve(layout)
        return all(term.run != UNKNOWN and term.variable not in self._mixed for term in terms)

    def elements(self, layout: Layout) -> list[Element] | None:
        """The element at each place of an axis; None if the order of any part of it is unknown."""
        if not self.is_in_order(layout):
            return None
        found: list[Element] = []
        for variable, times, run in self.resolve(layout):
            places = range(self.lengths[variable])
            once = [(variable, place) for place in places for _ in range(run)]
            found += once * (times // run)
        return found

    def reason(self, variable: int) -> str | None:
        """Why a variable that is not made of others is fixed; None if it is not."""
        return self._fixed.get(variable)

    def fix(self, layout: Layout, reason: str) -> None:
        """Fix every variable in it that is not fixed yet."""
        for term in self.resolve(layout):
            self._fixed.setdefault(term.variable, reason)

    def multiply(self, layout: Layout, times: int, run: int = 1) -> Layout:
        """The axis so many times, *run* copies of an element side by side."""
        in_order = run == times or len(layout) == 1
        return tuple(
            Term(term.variable, term.times * times, term.run * run if in_order else UNKNOWN)
            for term in layout
        )

    def equate(self, one: Layout, other: Layout, reason: str) -> None:
        """Both are the same axis; fixes both with *reason* if they cannot be cut alike."""
        left, right = list(self.resolve(one)), list(self.resolve(other))
        if self.length(one) != self.length(other):
            self._fix_all((*left, *right), reason)
            return
        while left and right:
            lengths = (self.length((left[0],)), self.length((right[0],)))
            longer = left if lengths[0] > lengths[1] else right
            if lengths[0] != lengths[1] and not self._cut_first(longer, min(lengths)):
                self._fix_all((*left, *right), reason)
                return
            self._equate_terms(left.pop(0), right.pop(0))
            left, right = list(self.resolve(tuple(left))), list(self.resolve(tuple(right)))

    def cut(self, layout: Layout, lengths: Sequence[int]) -> list[Layout] | None:
        """Stretches of these lengths, from the first on; None if they cannot be cut so."""
        left = list(self.resolve(layout))
        parts = []
        for length in lengths:
            part: list[Term] = []
            while (missing := length - self.length(tuple(part))) > 0:
                if not left:
                    return None
                if self.length((left[0],)) > missing and not self._cut_first(left, missing):
                    return None
                part.append(left.pop(0))
                left = list(self.resolve(tuple(left)))
            parts.append(tuple(part))
        return parts

    def part(self, layout: Layout, count: int, reason: str, run: int = 1) -> Layout | None:
        """One of *count* parts that stay equally long; None if there is no such part.

        *run* neighbours are of different parts: 1 if every part is in one piece, *count* if the
        first elements of all parts stand before the second ones.
        """
        terms = self.resolve(layout)
        length = self.length(terms)
        if length % count:
            return None
        if len(terms) == 1:
            return self._part_of_one(terms[0], count, run)
        parts = self.cut(terms, [length // count] * count)
        if parts is None:
            return None
        for other in parts[1:]:
            self.equate(parts[0], other, reason)
        if run != 1:
            self._mix(layout)
        return self.resolve(parts[0])

    def _leaves(self, layout: Layout) -> Iterable[Term]:
        for term in layout:
            inner = self._made_of.get(term.variable)
            if inner is None:
                yield term
            else:
                yield from self.multiply(tuple(self._leaves(inner)), term.times, term.run)

    def _fix_all(self, terms: Layout | tuple[Term, ...], reason: str) -> None:
        self.fix(tuple(terms), reason)

    def _mix(self, layout: Layout) -> None:
        """Elements of the variables in it depend on one another in a way that is not followed."""
        self._mixed.update(term.variable for term in self.resolve(layout))

    def _make_of(self, variable: int, layout: Layout) -> None:
        """A variable is *layout* from now on, and as fixed and mixed as it was."""
        self._made_of[variable] = layout
        if variable in self._fixed:
            self.fix(layout, self._fixed[variable])
        if variable in self._mixed:
            self._mix(layout)

    def _part_of_one(self, term: Term, count: int, run: int) -> Layout | None:
        shared = gcd(term.times, count)
        share = count // shared
        if share > 1:
            if self.lengths[term.variable] % share:
                return None
            inner = self.new(self.lengths[term.variable] // share)
            in_order = term.run == 1 if run == 1 else term.times == 1 and run == count
            order = (run if run == 1 else share) if in_order else UNKNOWN
            self._make_of(term.variable, self.multiply(inner, share, order))
            return self.multiply(inner, term.times // shared, 1 if in_order else UNKNOWN)
        return (Term(term.variable, term.times // count, _order_of_part(term, count, run)),)

    def _cut_first(self, terms: list[Term], length: int) -> bool:
        """Cut the first term after *length*, if it can be cut there."""
        variable, times, run = terms[0]
        own = self.lengths[variable]
        if times == 1:
            pieces = (*self.new(length), *self.new(own - length))
            self._make_of(variable, pieces)
        elif length % own == 0:
            first = length // own
            order = UNKNOWN if run == UNKNOWN or first % run else run
            pieces = (Term(variable, first, order), Term(variable, times - first, order))
        else:
            return False
        terms[:1] = pieces
        return True

    def _equate_terms(self, one: Term, other: Term) -> None:
        """Two of one length: each is made of what divides both."""
        if one.run != other.run and one.times == other.times:
            self._mix((one, other))
        if one.variable == other.variable:
            return
        shared = gcd(one.times, other.times)
        first, second = other.times // shared, one.times // shared
        if first == second == 1:
            self._make_of(one.variable, (Term(other.variable),))
            return
        inner = self.new(self.lengths[one.variable] // first)
        orders = _orders_of_shared(one, other, first, second)
        self._make_of(one.variable, self.multiply(inner, first, orders[0]))
        self._make_of(other.variable, self.multiply(inner, second, orders[1]))


def _order_of_part(term: Term, count: int, run: int) -> int:
    """The order in one of *count* parts of a term, which has as many times *count* copies."""
    if run == 1 and term.run != UNKNOWN and term.times // count % term.run == 0:
        return term.run
    if run == count and term.run % count == 0:
        return term.run // count
    return UNKNOWN


def _orders_of_shared(one: Term, other: Term, first: int, second: int) -> tuple[int, int]:
    """The orders in which two terms of one length are *first* and *second* times the same."""
    if one.run == other.run == 1:
        return 1, 1
    if one.run == one.times and other.run == other.times:
        return first, second
    return UNKNOWN, UNKNOWN
