"""The variants between two: every way of taking some of the changes and not the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from ucseg_cli.references.variants.variant import Change, Variant, changes

MAX_CHANGES = 6
"""The lattice of n changes has 2 to the n variants; beyond these, only a path is taken."""

Taken = frozenset[str]
"""The axes on which a variant is as the candidate; on the others it is as the baseline."""


def counted_changes(before: Variant, after: Variant) -> tuple[Change, ...]:
    """The changes that can have an effect on a count at all."""
    return tuple(change for change in changes(before, after) if change.axis.counted)


def lattice(before: Variant, after: Variant) -> dict[Taken, Variant]:
    """The variants that attribution needs, by the axes taken from *after*.

    Up to MAX_CHANGES changes that is every subset. With more: none and all, each change alone, all
    but each, and the path that takes them in the declared order.
    """
    found = counted_changes(before, after)
    names = [change.axis.name for change in found]
    wanted = _subsets(names) if len(names) <= MAX_CHANGES else _path(names)
    return {
        taken: _with(before, [change for change in found if change.axis.name in taken])
        for taken in wanted
    }


def _with(before: Variant, taken: Iterable[Change]) -> Variant:
    values: dict[str, Any] = {change.axis.name: change.after for change in taken}
    return before._replace(**values)


def _subsets(names: list[str]) -> Iterator[Taken]:
    return (frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size))


def _path(names: list[str]) -> Iterable[Taken]:
    everything = frozenset(names)
    steps = (frozenset(names[:length]) for length in range(len(names) + 1))
    singles = (frozenset({name}) for name in names)
    return dict.fromkeys((*steps, *singles, *(everything - {name} for name in names)))
