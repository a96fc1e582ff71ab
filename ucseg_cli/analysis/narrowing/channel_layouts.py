"""Lengths of axes as sums of multiples of variables; a union-find says which must stay equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd
from typing import NamedTuple


class Term(NamedTuple):
    """A variable, so many *times*: as in a flattened map, or in as many groups of channels."""

    variable: int
    times: int = 1


Layout = tuple[Term, ...]
"""The length of an axis, from its first element on: 64 channels of one map, then 24 of another."""


class Layouts:
    """The variables of a trace, with their lengths.

    A variable may turn out to be made of others, when a sum needs equal cuts. One is *fixed*, with
    the first reason, if the trace does not show what else becomes shorter with it.
    """

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self._made_of: dict[int, Layout] = {}
        self._fixed: dict[int, str] = {}

    def new(self, length: int, reason: str | None = None) -> Layout:
        """An axis of its own; fixed if there is a *reason*."""
        self.lengths.append(length)
        variable = len(self.lengths) - 1
        if reason is not None:
            self._fixed[variable] = reason
        return (Term(variable),)

    def length(self, layout: Layout) -> int:
        """How many elements the axis has."""
        return sum(self.lengths[variable] * times for variable, times in layout)

    def resolve(self, layout: Layout) -> Layout:
        """The layout in variables that are not made of others, neighbours of one variable added."""
        terms: list[Term] = []
        for variable, times in self._leaves(layout):
            before = terms.pop().times if terms and terms[-1].variable == variable else 0
            terms.append(Term(variable, before + times))
        return tuple(terms)

    def reason(self, variable: int) -> str | None:
        """Why a variable that is not made of others is fixed; None if it is not."""
        return self._fixed.get(variable)

    def fix(self, layout: Layout, reason: str) -> None:
        """Fix every variable in it that is not fixed yet."""
        for variable, _ in self.resolve(layout):
            self._fixed.setdefault(variable, reason)

    def multiply(self, layout: Layout, times: int) -> Layout:
        """The axis repeated, or each element that many times."""
        return tuple(Term(variable, own * times) for variable, own in layout)

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

    def part(self, layout: Layout, count: int, reason: str) -> Layout | None:
        """One of *count* parts that stay equally long; None if there is no such part."""
        terms = self.resolve(layout)
        length = self.length(terms)
        if length % count:
            return None
        if len(terms) == 1:
            return self._part_of_one(terms[0], count)
        parts = self.cut(terms, [length // count] * count)
        if parts is None:
            return None
        for other in parts[1:]:
            self.equate(parts[0], other, reason)
        return self.resolve(parts[0])

    def _leaves(self, layout: Layout) -> Iterable[Term]:
        for variable, times in layout:
            inner = self._made_of.get(variable)
            if inner is None:
                yield Term(variable, times)
            else:
                yield from self.multiply(tuple(self._leaves(inner)), times)

    def _fix_all(self, terms: Layout | tuple[Term, ...], reason: str) -> None:
        self.fix(tuple(terms), reason)

    def _make_of(self, variable: int, layout: Layout) -> None:
        """A variable is *layout* from now on, and as fixed as it was."""
        self._made_of[variable] = layout
        if variable in self._fixed:
            self.fix(layout, self._fixed[variable])

    def _part_of_one(self, term: Term, count: int) -> Layout | None:
        shared = gcd(term.times, count)
        share = count // shared
        if share > 1:
            if self.lengths[term.variable] % share:
                return None
            inner = self.new(self.lengths[term.variable] // share)
            self._make_of(term.variable, self.multiply(inner, share))
            return self.multiply(inner, term.times // shared)
        return (Term(term.variable, term.times // count),)

    def _cut_first(self, terms: list[Term], length: int) -> bool:
        """Cut the first term after *length*, if it can be cut there."""
        variable, times = terms[0]
        own = self.lengths[variable]
        if times == 1:
            pieces = (*self.new(length), *self.new(own - length))
            self._make_of(variable, pieces)
        elif length % own == 0:
            pieces = (Term(variable, length // own), Term(variable, times - length // own))
        else:
            return False
        terms[:1] = pieces
        return True

    def _equate_terms(self, one: Term, other: Term) -> None:
        """Two of one length: each is made of what divides both."""
        if one.variable == other.variable:
            return
        shared = gcd(one.times, other.times)
        first, second = other.times // shared, one.times // shared
        if first == second == 1:
            self._make_of(one.variable, (Term(other.variable),))
            return
        inner = self.new(self.lengths[one.variable] // first)
        self._make_of(one.variable, self.multiply(inner, first))
        self._make_of(other.variable, self.multiply(inner, second))
