"""Which module of one network is held against which of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ucseg_cli.analysis.module_tree import TreeRow, parent_path
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.trace import Trace

ALIKE, ALIKE_IN_ONE_CLASS = 0.6, 0.25
"""From which likeness on modules are held against each other, and from which if they are of one class besides."""

MOST_PAIRS = 50_000
"""Of more pairs of modules only their classes are compared."""

Contents = Mapping[str, Counter[str]]
"""By path, how many modules of each class are in a module."""


Likeness = Callable[[TreeRow, TreeRow], float]


class Pair(NamedTuple):
    """A module before and after, its path the role where both are of the family; None where the other has none like it."""

    before: TreeRow | None
    after: TreeRow | None

    @property
    def row(self) -> TreeRow:
        """The one after, or the one before where it is gone."""
        return next(row for row in (self.after, self.before) if row is not None)


def match_modules(
    baseline: Subject, before: Sequence[TreeRow], model: Subject, after: Sequence[TreeRow]
) -> tuple[Pair, ...]:
    """Every row of both, each once: in the order of *before*, what is only in *after* behind.

    Two of the family are matched by what a module is for. Elsewhere modules match that have the same path, and of the
    others those that are alike, in what they are made of, and come in the same order.
    """
    of_family = baseline.variant is not None and model.variant is not None
    old, new = (
        _by_name(_with_roles(subject, rows) if of_family else rows)
        for subject, rows in ((baseline, before), (model, after))
    )
    partner = {name: name for name in old.keys() & new.keys()}
    if not of_family:
        left, right = ([row for name, row in rows.items() if name not in partner] for rows in (old, new))
        many = len(left) * len(right) > MOST_PAIRS
        like = _is_one_class if many else partial(_likeness, contents(baseline.trace), contents(model.trace))
        partner.update((_name(one), _name(other)) for one, other in _aligned(left, right, like))
    taken = set(partner.values())
    return (
        *(Pair(row, new[partner[name]] if name in partner else None) for name, row in old.items()),
        *(Pair(None, row) for name, row in new.items() if name not in taken),
    )


def contents(trace: Trace) -> Contents:
    """What each module is made of: the modules with parameters in it, itself among them; without any, all others."""
    with_parameters: dict[str, Counter[str]] = {module.path: Counter() for module in trace.modules}
    without: dict[str, Counter[str]] = {module.path: Counter() for module in trace.modules}
    for module in trace.modules:
        found = with_parameters if module.parameters else without
        for path in _ancestry(module.path):
            found[path][module.type] += 1
    return {path: counts or without[path] for path, counts in with_parameters.items()}


def _ancestry(path: str) -> Iterator[str]:
    while path:
        yield path
        path = parent_path(path)
    yield ""


Name = tuple[str, bool]
"""A path or role, and whether only the module's own remainder is meant."""


def _name(row: TreeRow) -> Name:
    return row.path, row.own


def _with_roles(subject: Subject, rows: Iterable[TreeRow]) -> Iterator[TreeRow]:
    return (row._replace(path=subject.role(row.path)) for row in rows)


def _by_name(rows: Iterable[TreeRow]) -> dict[Name, TreeRow]:
    return {_name(row): row for row in rows}


def _likeness(old: Contents, new: Contents, before: TreeRow, after: TreeRow) -> float:
    """Of all modules in either the share that both have, by class; 0 for what is not to be held against each other."""
    if before.own or after.own:
        return _is_one_class(before, after)
    one, other = old[before.path], new[after.path]
    share = (one & other).total() / max((one | other).total(), 1)
    return share if share >= (ALIKE_IN_ONE_CLASS if before.type == after.type else ALIKE) else 0.0


def _is_one_class(before: TreeRow, after: TreeRow) -> float:
    return float((before.type, before.own) == (after.type, after.own))


def _aligned(
    before: Sequence[TreeRow], after: Sequence[TreeRow], likeness: Likeness
) -> Iterator[tuple[TreeRow, TreeRow]]:
    """The pairs, none crossing another, that are most alike together (Needleman and Wunsch, gaps costing nothing)."""
    best = [[0.0] * (len(after) + 1) for _ in range(len(before) + 1)]
    alike = [[likeness(one, other) for other in after] for one in before]
    for at in reversed(range(len(before))):
        for to in reversed(range(len(after))):
            paired = alike[at][to] + best[at + 1][to + 1] if alike[at][to] else 0.0
            best[at][to] = max(paired, best[at + 1][to], best[at][to + 1])
    at = to = 0
    while at < len(before) and to < len(after):
        if alike[at][to] and best[at][to] == alike[at][to] + best[at + 1][to + 1]:
            yield before[at], after[to]
            at, to = at + 1, to + 1
        elif best[at][to] == best[at + 1][to]:
            at += 1
        else:
            to += 1
