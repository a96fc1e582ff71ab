"""Designs can be built with their axes set; these are all models between two of one design."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations

from ucseg_cli.references.sources import Argument, FromCheckpoint, FromFile, Source
from ucseg_cli.references.variants import Variant

Model = Variant | Source

MAX_CHANGES = 6
"""There are 2 to the n models between two that differ on n axes; beyond these, a path is taken."""

Taken = frozenset[str]
"""The axes on which a model is as the second of two; on the others it is as the first."""


def is_same_design(one: Model, other: Model) -> bool:
    """Whether both are built by the same constructor, or are variants of the family."""
    if isinstance(one, Variant) or isinstance(other, Variant):
        return isinstance(one, Variant) and isinstance(other, Variant)
    if isinstance(one, FromCheckpoint) or isinstance(other, FromCheckpoint):
        return False
    return _constructor(one) == _constructor(other)


def changed_arguments(before: Model, after: Model) -> list[str]:
    """The arguments that two models of one design give otherwise, or only one of them gives."""
    old, new = arguments_of(before), arguments_of(after)
    names = dict.fromkeys((*old, *new))
    return [name for name in names if old.get(name) != new.get(name)]


def arguments_of(model: Model) -> dict[str, Argument]:
    """The arguments with which a model is built, by name; none of a variant or a checkpoint."""
    if isinstance(model, Variant | FromCheckpoint):
        return {}
    return {argument.name: argument for argument in model.arguments}


def lattice(before: Model, after: Model, names: Sequence[str]) -> dict[Taken, Model]:
    """The models that attribution needs, by which of the axes *names* are taken from *after*.

    Up to MAX_CHANGES changes that is every subset. With more: none and all, each change alone, all
    but each, and the path that takes them in the order of *names*.
    """
    wanted = _subsets(names) if len(names) <= MAX_CHANGES else _path(names)
    return {taken: between(before, after, taken) for taken in wanted}


def between(before: Model, after: Model, taken: Collection[str]) -> Model:
    """The model that is as *after* on the axes *taken*, and as *before* on all others."""
    if isinstance(before, Variant):
        return before._replace(**{name: getattr(after, name) for name in taken})
    if isinstance(before, FromCheckpoint):
        return before
    old, new = arguments_of(before), arguments_of(after)
    given = {name: argument for name, argument in old.items() if name not in taken}
    given |= {name: argument for name, argument in new.items() if name in taken}
    return before._replace(arguments=tuple(given.values()))


def _constructor(source: Source) -> object:
    if isinstance(source, FromFile):
        return os.path.realpath(source.path), source.name
    return str(source)


def _subsets(names: Sequence[str]) -> Iterator[Taken]:
    return (frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size))


def _path(names: Sequence[str]) -> Iterable[Taken]:
    everything = frozenset(names)
    steps = (frozenset(names[:length]) for length in range(len(names) + 1))
    singles = (frozenset({name}) for name in names)
    return dict.fromkeys((*steps, *singles, *(everything - {name} for name in names)))
