"""Which module of one network is compared with which of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod, sqrt
from typing import NamedTuple

from ucseg_cli.analysis.counting.module_tree import TreeRow, ancestry, parent_path
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.trace import Module, Trace

CONFIDENT = 0.6
"""The least confidence of a pair; below it one module is gone and the other new.

Modules that are identical, and modules to which the author gave one name, are paired anyway. The
confidence of any others is the share of layers that they have in common, by class and kernel,
scaled down if one is more than MUCH_WIDER than the other, plus ONE_CLASS and SAME_PLACE.
"""
ONLY_HOLDS = {"Sequential", "ModuleList", "ModuleDict"}
"""Classes of torch that say nothing about what is inside."""
ONE_CLASS, SAME_PLACE = 0.35, 0.2
"""Added to the confidence for one class, and for the same number in a sequence."""
MUCH_WIDER = 4
"""Up to here a width is only a setting: a renamed block may be twice as wide."""
NEARER_WIDTH = 0.2
"""The worth of an equal width, where a module could be compared with several."""
MOST_PAIRS = 50_000
"""Beyond so many possible pairs only equal names are matched, to stay fast."""

Contents = Mapping[str, Counter[str]]
"""By path, the number of layers of each kind in a module."""
_Children = dict[str, list[TreeRow]]
"""By the path of a child, its rows."""
Likeness = Callable[[str, str], float]
"""From 0 to 1, of a path in one network and a path in the other."""


class Pair(NamedTuple):
    """A module before and after; None without a match. In a family paths are roles."""

    before: TreeRow | None
    after: TreeRow | None

    @property
    def row(self) -> TreeRow:
        """The one after, or the one before where it is gone."""
        return next(row for row in (self.after, self.before) if row is not None)


class Correspondence(NamedTuple):
    """Every row of two networks once, and the names in the second of paths of the first."""

    pairs: tuple[Pair, ...]
    renamed: Mapping[str, str]

    def name_after(self, path: str) -> str:
        """The path in the second, by the nearest renamed module around it; else the same path."""
        above = path
        while above and above not in self.renamed:
            above = parent_path(above)
        return self.renamed[above] + path.removeprefix(above) if above else path


def match_modules(
    baseline: Subject, before: Iterable[TreeRow], model: Subject, after: Iterable[TreeRow]
) -> Correspondence:
    """Match two networks of the family by role, others from the top down.

    Within two matched modules, identical children match first, wherever they stand; then children
    of one name, if both hold parameters or neither does; of the rest, in their order, those that
    are most alike in total, each pair at least CONFIDENT. A number is only a position, not a name.
    But if all children have the same names and kinds and none became narrower, or none wider, they
    are one design at two widths, and each is compared with the one in its place. Last, a module
    without parameters is that between the same neighbours.
    """
    # Roles are written down for the family, so nothing has to be guessed there.
    if baseline.variant is not None and model.variant is not None:
        roles = _by_role(_with_roles(baseline, before), _with_roles(model, after))
        return Correspondence(tuple(roles), {})
    matching = _Matching(baseline.trace, model.trace)
    before, after = list(before), list(after)
    matching.match("", before, "", after)
    # Matching visits matched modules first; rows come in the order of the networks.
    place = {id(row): index for index, row in enumerate((*before, *after))}
    pairs = sorted(matching.pairs, key=lambda pair: place[id(pair.before or pair.after)])
    return Correspondence(tuple(pairs), matching.renamed)


def contents(trace: Trace) -> Contents:
    """The layers with parameters in each module, itself included; if there are none, all others.

    Each layer is counted twice, as its class and as its class with the kernel's size.
    """
    # Layers with parameters say what a module is; activations and pools are found in all of them.
    with_parameters: dict[str, Counter[str]] = {module.path: Counter() for module in trace.modules}
    without: dict[str, Counter[str]] = {module.path: Counter() for module in trace.modules}
    for module in trace.modules:
        found = with_parameters if module.parameters else without
        # Both names, so that a 3×3 conv is more like a 5×5 conv than like a batch norm.
        for path in ancestry(module.path):
            found[path].update((module.type, _kind(trace, module)))
    return {path: counts or without[path] for path, counts in with_parameters.items()}


class _Content(NamedTuple):
    """The classes of a module and all below it, and the shapes of their parameters, in order."""

    types: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def kernels(self) -> list[tuple[int, ...]]:
        """The shapes without the widths: of each parameter its rank and its kernel."""
        return [(len(shape), *shape[2:]) for shape in self.shapes]

    @property
    def width(self) -> float:
        """Channels, up to a factor: a layer's parameters grow with their square."""
        return sqrt(sum(map(prod, self.shapes)) / max(len(self.shapes), 1))


def _made_of(trace: Trace) -> dict[str, _Content]:
    """By path."""
    types: dict[str, list[str]] = {}
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for module in trace.modules:
        own = [trace.tensors[weight.tensor].shape for weight in module.parameters]
        for path in ancestry(module.path):
            types.setdefault(path, []).append(module.type)
            shapes.setdefault(path, []).extend(own)
    return {path: _Content(tuple(types[path]), tuple(shapes[path])) for path in types}


def _kind(trace: Trace, module: Module) -> str:
    kernels = (trace.tensors[weight.tensor].shape[2:] for weight in module.parameters)
    return f"{module.type} {next(filter(None, kernels), ())}"


def _likeness(old: Contents, new: Contents) -> Likeness:
    """The share that two modules have in common of all that is in either (Jaccard)."""

    def likeness(before: str, after: str) -> float:
        # & keeps the smaller count of each kind, | the larger one.
        one, other = old[before], new[after]
        return (one & other).total() / max((one | other).total(), 1)

    return likeness


def _with_roles(subject: Subject, rows: Iterable[TreeRow]) -> list[TreeRow]:
    return [row._replace(path=subject.role(row.path)) for row in rows]


def _by_role(before: Sequence[TreeRow], after: Sequence[TreeRow]) -> Iterator[Pair]:
    old, new = ({(row.path, row.own): row for row in rows} for rows in (before, after))
    return (Pair(old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new)))


class _Matching:
    """Walks down two trees at once."""

    def __init__(self, old: Trace, new: Trace) -> None:
        self.old, self.new = old, new
        self.likeness = _likeness(contents(old), contents(new))
        self.before, self.after = _made_of(old), _made_of(new)
        self.pairs: list[Pair] = []
        self.renamed: dict[str, str] = {}

    def match(
        self, old: str, before: Sequence[TreeRow], new: str, after: Sequence[TreeRow]
    ) -> None:
        """Match the rows at or below two modules that belong together."""
        # Noted for equal paths, too: a child looks up the nearest module that was matched.
        self.renamed[old] = new
        one, other = _is_one_row(old, before), _is_one_row(new, after)
        if one and other:
            self.pairs.append(Pair(before[0], after[0]))
        elif one or other:
            self._match_one_with_many(before, after)
        else:
            self._match_own(old, before, new, after)
            self._match_children(old, before, new, after)

    def _match_one_with_many(self, before: Sequence[TreeRow], after: Sequence[TreeRow]) -> None:
        """A layer on one side, a module around such layers on the other: match the most alike."""
        likely = [
            (self._confidence(one.path, other.path), one, other)
            for one in before
            for other in after
            if not one.own and not other.own
        ]
        share, one, other = max(likely, key=lambda pair: pair[0], default=(0.0, None, None))
        if share >= CONFIDENT and one is not None and other is not None:
            self.pairs.append(Pair(one, other))
            self.renamed[one.path] = other.path
        else:
            one = other = None
        # All but the matched two are gone or new, with every row below them.
        self._leave(
            [row for row in before if row is not one], [row for row in after if row is not other]
        )

    def _match_own(
        self, old: str, before: Sequence[TreeRow], new: str, after: Sequence[TreeRow]
    ) -> None:
        """Pair the rows of the two for their own figures, beside their children."""
        mine, theirs = (
            next((row for row in rows if row.own and row.path == path), None)
            for path, rows in ((old, before), (new, after))
        )
        if mine or theirs:
            self.pairs.append(Pair(mine, theirs))

    def _match_children(
        self, old: str, before: Sequence[TreeRow], new: str, after: Sequence[TreeRow]
    ) -> None:
        left, right = _children(old, before), _children(new, after)
        partner = self._in_place(left, right)
        for pairing in (self._identical, self._of_one_name, self._alike):
            taken = set(partner.values())
            partner |= pairing(
                {path: rows for path, rows in left.items() if path not in partner},
                {path: rows for path, rows in right.items() if path not in taken},
            )
        partner |= _between_partners(left, right, partner)
        for path, other in partner.items():
            self.match(path, left[path], other, right[other])
        taken = set(partner.values())
        self._leave(
            [row for path, rows in left.items() if path not in partner for row in rows],
            [row for path, rows in right.items() if path not in taken for row in rows],
        )

    def _in_place(self, left: _Children, right: _Children) -> dict[str, str]:
        """All children by their names, if the two are one design at two widths."""
        places = {_name(path): path for path in right}
        if places.keys() != {_name(path) for path in left}:
            return {}
        pairs = {path: places[_name(path)] for path in left}
        contents = [(self.before[path], self.after[other]) for path, other in pairs.items()]
        if not all(
            one.types == other.types and one.kernels == other.kernels for one, other in contents
        ):
            return {}
        # If layers were moved or added, one place is wider than it was and another narrower.
        steps = [
            length - was
            for one, other in contents
            for shape, shape_after in zip(one.shapes, other.shapes, strict=True)
            for was, length in zip(shape, shape_after, strict=True)
        ]
        return pairs if min(steps, default=0) >= 0 or max(steps, default=0) <= 0 else {}

    def _identical(self, left: _Children, right: _Children) -> dict[str, str]:
        """Modules of the same classes and shapes of parameters, as many as can be in order first.

        Those without parameters are left out: an activation is identical to any other.
        """
        partner: dict[str, str] = {}
        by_name = {_name(path): path for path in right}
        for path in left:
            other = by_name.get(_name(path))
            # A number may have moved with the modules in front of it.
            if other and not path[-1].isdecimal() and self._is_identical(path, other):
                partner[path] = other

        def free() -> tuple[list[str], list[str]]:
            taken = set(partner.values())
            return (
                [path for path in left if path not in partner],
                [path for path in right if path not in taken],
            )

        partner.update(_aligned(*free(), self._is_identical))
        # The rest has changed places: a block that was moved is still that block.
        before, after = free()
        waiting: dict[_Content, list[str]] = {}
        for path in reversed(after):
            waiting.setdefault(self.after[path], []).append(path)
        for path in before:
            others = waiting.get(self.before[path])
            if others and self._is_identical(path, others[-1]):
                partner[path] = others.pop()
        return partner

    def _is_identical(self, one: str, other: str) -> bool:
        mine = self.before[one]
        return bool(mine.shapes) and mine == self.after[other]

    def _of_one_name(self, left: _Children, right: _Children) -> dict[str, str]:
        by_name = {_name(path): path for path in right}
        named = ((path, by_name[_name(path)]) for path in left if _name(path) in by_name)
        return {
            path: other
            for path, other in named
            # A number is only a position, unless a state dict leaves nothing else to go by.
            if (not _name(path).isdecimal() or self._lacks_class(path, other))
            # A parameter-free module in the place of one with weights is another thing.
            and _have_parameters(left[path]) == _have_parameters(right[other])
        }

    def _lacks_class(self, one: str, other: str) -> bool:
        """Whether one is from a state dict, which does not record classes."""
        return not self.old.by_path[one].type or not self.new.by_path[other].type

    def _alike(self, left: _Children, right: _Children) -> dict[str, str]:
        return dict(_aligned([*left], [*right], self._worth))

    def _worth(self, one: str, other: str) -> float:
        """The worth of comparing the two; 0 if they should not be."""
        confidence = self._confidence(one, other)
        nearer = NEARER_WIDTH * self._nearness(one, other)
        return confidence + nearer if confidence >= CONFIDENT else 0.0

    def _confidence(self, one: str, other: str) -> float:
        """As CONFIDENT says; 0 for two that have no layer in common, whatever they are called."""
        share = self.likeness(one, other)
        kinds = self.old.by_path[one].type, self.new.by_path[other].type
        one_class = kinds[0] == kinds[1] and kinds[0] not in ONLY_HOLDS
        bonus = ONE_CLASS * one_class + SAME_PLACE * (_name(one) == _name(other))
        return share and share * min(1.0, MUCH_WIDER * self._nearness(one, other)) + bonus

    def _nearness(self, one: str, other: str) -> float:
        """From 0 to 1, the width of the narrower in that of the wider."""
        narrow, wide = sorted((self.before[one].width, self.after[other].width))
        return narrow / wide if wide else 1.0

    def _leave(self, before: Iterable[TreeRow], after: Iterable[TreeRow]) -> None:
        self.pairs += (Pair(row, None) for row in before)
        self.pairs += (Pair(None, row) for row in after)


def _between_partners(
    left: _Children, right: _Children, partner: Mapping[str, str]
) -> dict[str, str]:
    """Modules without parameters between the same two neighbours, as an activation that is another.

    A layer with parameters would be another layer there.
    """

    def neighbours(path: str, paths: list[str]) -> tuple[str, str]:
        at = paths.index(path)
        return "".join(paths[at - 1 : at]), "".join(paths[at + 1 : at + 2])

    free = [path for path in left if path not in partner and not _have_parameters(left[path])]
    if not free:
        return {}
    taken, orders = set(partner.values()), (list(left), list(right))
    places = {
        neighbours(path, orders[1]): path
        for path in right
        if path not in taken and not _have_parameters(right[path])
    }
    found = {}
    for path in free:
        # The first child has no neighbour before it, on either side.
        before, after = (partner.get(name, name) for name in neighbours(path, orders[0]))
        if (before or after) and (before, after) in places:
            found[path] = places[before, after]
    return found


def _have_parameters(rows: Iterable[TreeRow]) -> bool:
    return any(row.figures.get("params") for row in rows)


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _is_one_row(path: str, rows: Sequence[TreeRow]) -> bool:
    return len(rows) == 1 and rows[0].path == path and not rows[0].own


def _children(path: str, rows: Iterable[TreeRow]) -> _Children:
    """The rows below a module, by the child that they are at or below."""
    children: _Children = {}
    inside = f"{path}." if path else ""
    for row in rows:
        if row.path != path:
            child = row.path.removeprefix(inside).partition(".")[0]
            children.setdefault(f"{inside}{child}", []).append(row)
    return children


def _aligned(
    before: Sequence[str], after: Sequence[str], worth: Likeness
) -> Iterator[tuple[str, str]]:
    """The pairs in order that are worth most in total (Needleman and Wunsch, with free gaps).

    None beyond MOST_PAIRS.
    """
    if len(before) * len(after) > MOST_PAIRS:
        return
    best = [[0.0] * (len(after) + 1) for _ in range(len(before) + 1)]
    # best[at][to] is the most that before[at:] and after[to:] can be worth together.
    worths = [[worth(one, other) for other in after] for one in before]
    for at in reversed(range(len(before))):
        for to in reversed(range(len(after))):
            paired = worths[at][to] + best[at + 1][to + 1] if worths[at][to] else 0.0
            best[at][to] = max(paired, best[at + 1][to], best[at][to + 1])
    # Walk the table from its start, along the choices that made the best total.
    at = to = 0
    while at < len(before) and to < len(after):
        if worths[at][to] and best[at][to] == worths[at][to] + best[at + 1][to + 1]:
            yield before[at], after[to]
            at, to = at + 1, to + 1
        elif best[at][to] == best[at + 1][to]:
            at += 1
        else:
            to += 1
