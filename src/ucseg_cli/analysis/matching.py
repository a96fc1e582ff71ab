"""Which module of one network is held against which of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from ucseg_cli.analysis.module_tree import TreeRow
from ucseg_cli.analysis.subject import Subject


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
    others those of one class that come in the same order.
    """
    of_family = baseline.variant is not None and model.variant is not None
    old, new = (
        _by_name(_with_roles(subject, rows) if of_family else rows)
        for subject, rows in ((baseline, before), (model, after))
    )
    partner = {name: name for name in old.keys() & new.keys()}
    if not of_family:
        partner.update(_in_order(_without(old, partner), _without(new, partner)))
    taken = set(partner.values())
    return (
        *(Pair(row, new[partner[name]] if name in partner else None) for name, row in old.items()),
        *(Pair(None, row) for name, row in new.items() if name not in taken),
    )


Name = tuple[str, bool]
"""A path or role, and whether only the module's own remainder is meant."""


def _with_roles(subject: Subject, rows: Iterable[TreeRow]) -> Iterator[TreeRow]:
    return (row._replace(path=subject.role(row.path)) for row in rows)


def _by_name(rows: Iterable[TreeRow]) -> dict[Name, TreeRow]:
    return {(row.path, row.own): row for row in rows}


def _without(rows: dict[Name, TreeRow], taken: Iterable[Name]) -> dict[Name, TreeRow]:
    known = set(taken)
    return {name: row for name, row in rows.items() if name not in known}


def _in_order(old: dict[Name, TreeRow], new: dict[Name, TreeRow]) -> Iterator[tuple[Name, Name]]:
    """Pairs of one class, as an edit of one list into the other keeps them; each network's order is kept."""
    left, right = list(old), list(new)
    before, after = ([(row.type, row.own) for row in rows.values()] for rows in (old, new))
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        yield from zip(left[block.a : block.a + block.size], right[block.b : block.b + block.size], strict=True)
