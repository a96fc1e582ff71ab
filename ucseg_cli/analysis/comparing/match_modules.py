"""Which module of one network is compared with which of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.counting.module_tree import TreeRow, parent_path
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.trace import Module, Trace

SURELY_ALIKE = 0.5
"""Above this likeness modules whose name is only a position, or not one, belong together."""
ALIKE, ALIKE_IN_ONE_CLASS = 0.6, 0.25
"""The least likeness of modules of different names; the second if they are of one class."""
SAME_NAME = 0.3
"""The bonus of a common name on top of likeness."""
SAME_SHAPES = 0.2
"""The bonus of the same parameters, in number and shape: of two alike modules the identical one."""
MOST_PAIRS = 50_000
"""Beyond so many possible pairs only equal names are matched, to stay fast."""

Contents = Mapping[str, Counter[str]]
"""By path, the number of layers of each kind in a module."""
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

    Within two matched modules, children of one name match if both hold parameters or neither does;
    of the rest, in their order, those that are most alike in total. Alike means made of the same
    kinds of layers. A number is only a position, so it counts as a name only for alike modules.
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
        for path in _ancestry(module.path):
            found[path].update((module.type, _kind(trace, module)))
    return {path: counts or without[path] for path, counts in with_parameters.items()}


def _shapes(trace: Trace) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of all parameters at or below each module that has any, in order."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for module in trace.modules:
        own = [trace.tensors[weight.tensor].shape for weight in module.parameters]
        for path in _ancestry(module.path) if own else ():
            found.setdefault(path, []).extend(own)
    return found


def _kind(trace: Trace, module: Module) -> str:
    kernels = (trace.tensors[weight.tensor].shape[2:] for weight in module.parameters)
    return f"{module.type} {next(filter(None, kernels), ())}"


def _ancestry(path: str) -> Iterator[str]:
    while path:
        yield path
        path = parent_path(path)
    yield ""


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
        self.shapes = _shapes(old), _shapes(new)
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
            (self.likeness(one.path, other.path), one, other)
            for one in before
            for other in after
            if not one.own and not other.own
        ]
        share, one, other = max(likely, key=lambda pair: pair[0], default=(0.0, None, None))
        if share > SURELY_ALIKE and one is not None and other is not None:
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
        # Names first: they are what the author calls the same. Only the rest is aligned in order.
        partner = dict(self._of_one_name(left, right))
        rest = (
            [path for path in left if path not in partner],
            [path for path in right if path not in partner.values()],
        )
        if len(rest[0]) * len(rest[1]) <= MOST_PAIRS:
            partner.update(_aligned(*rest, self._worth))
        for path, other in partner.items():
            self.match(path, left[path], other, right[other])
        taken = set(partner.values())
        self._leave(
            [row for path, rows in left.items() if path not in partner for row in rows],
            [row for path, rows in right.items() if path not in taken for row in rows],
        )

    def _of_one_name(
        self, left: Mapping[str, Sequence[TreeRow]], right: Mapping[str, Sequence[TreeRow]]
    ) -> Iterator[tuple[str, str]]:
        by_name = {_name(path): path for path in right}
        named = ((path, by_name[_name(path)]) for path in left if _name(path) in by_name)
        for path, other in named:
            # A number is only a position, unless a state dict leaves nothing else to go by.
            is_name = not _name(path).isdecimal() or self._lacks_class(path, other)
            # A parameter-free module in the place of one with weights is another thing.
            is_match = is_name or self.likeness(path, other) > SURELY_ALIKE
            if is_match and _have_parameters(left[path]) == _have_parameters(right[other]):
                yield path, other

    def _lacks_class(self, one: str, other: str) -> bool:
        """Whether one is from a state dict, which does not record classes."""
        return not self.old.by_path[one].type or not self.new.by_path[other].type

    def _worth(self, one: str, other: str) -> float:
        """The worth of comparing the two; 0 if they should not be."""
        share = self.likeness(one, other)
        same = self.shapes[0].get(one) == self.shapes[1].get(other) is not None
        bonus = SAME_SHAPES * same + SAME_NAME * (_name(one) == _name(other))
        if _name(one) == _name(other):
            # Nothing in common stays 0: a name alone is not enough.
            return share and share + bonus
        one_class = self.old.by_path[one].type == self.new.by_path[other].type
        return share + bonus if share >= (ALIKE_IN_ONE_CLASS if one_class else ALIKE) else 0.0

    def _leave(self, before: Iterable[TreeRow], after: Iterable[TreeRow]) -> None:
        self.pairs += (Pair(row, None) for row in before)
        self.pairs += (Pair(None, row) for row in after)


def _have_parameters(rows: Iterable[TreeRow]) -> bool:
    return any(row.figures.get("params") for row in rows)


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _is_one_row(path: str, rows: Sequence[TreeRow]) -> bool:
    return len(rows) == 1 and rows[0].path == path and not rows[0].own


def _children(path: str, rows: Iterable[TreeRow]) -> dict[str, list[TreeRow]]:
    """The rows below a module, by the child that they are at or below."""
    children: dict[str, list[TreeRow]] = {}
    inside = f"{path}." if path else ""
    for row in rows:
        if row.path != path:
            child = row.path.removeprefix(inside).partition(".")[0]
            children.setdefault(f"{inside}{child}", []).append(row)
    return children


def _aligned(
    before: Sequence[str], after: Sequence[str], worth: Likeness
) -> Iterator[tuple[str, str]]:
    """The pairs in order that are worth most in total (Needleman and Wunsch, with free gaps)."""
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
