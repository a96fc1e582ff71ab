"""The lock: what a team has agreed that its models are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Leaf = int | str | tuple[int, ...]
Tree = Mapping[str, "Tree | Leaf"]
"""A locked model: ``axes``, ``prices``, ``total``, ``weights``, ``convs``; by size ``total``,
``modules``, ``taps``.
"""
Address = tuple[str, ...]


class Raise(NamedTuple):
    """Why a locked figure was allowed to grow, and when."""

    date: str
    reason: str


class Locked(NamedTuple):
    """One model of the lock, the day of its last change, and the reasons for raises, by date."""

    tree: Tree
    since: str
    raises: tuple[Raise, ...] = ()


class Lock(NamedTuple):
    """Every locked model by name.

    *text* is the file; *in_conflict* says that a merge has left two sides in it.
    """

    models: Mapping[str, Locked]
    text: str = ""
    in_conflict: bool = False

    def line(self, model: str) -> int:
        """The line at which a model's block begins, from 1."""
        opening = f"    {json.dumps(model, ensure_ascii=False)}: {{"
        return next(
            (number for number, line in enumerate(self.text.split("\n"), 1) if line == opening), 1
        )


def leaves(tree: Tree, above: Address = ()) -> Iterator[tuple[Address, Leaf]]:
    """Everything that a tree holds, with the names that lead there."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value
