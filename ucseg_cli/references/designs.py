"""Designs can be built with their axes set; these are all models between two of one design."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations

from ucseg_cli.references.sources import (
    Argument,
    FromFile,
    FromModule,
    OwnCode,
    Source,
    Unbuildable,
)
from ucseg_cli.references.variants import Variant

Model = Variant | Source

REVISION, NOW = "revision", "now"
"""The axis of two models whose code is of two commits as well; its value in the working tree."""

MAX_CHANGES = 6
"""There are 2 to the n models between two that differ on n axes; beyond these, a path is taken."""

Taken = frozenset[str]
"""The axes on which a model is as the second of two; on the others it is as the first."""


def is_same_design(one: Model, other: Model) -> bool:
    """Whether both are built by the same constructor, or are variants of the family."""
    if isinstance(one, Variant) or isinstance(other, Variant):
        return isinstance(one, Variant) and isinstance(other, Variant)
    if isinstance(one, Unbuildable) or isinstance(other, Unbuildable):
        return False
    return constructor(one) == constructor(other)


def changed_arguments(before: Model, after: Model) -> list[str]:
    """The arguments that two models of one design give otherwise, or only one of them gives.

    REVISION comes before them if their code is of two commits as well.
    """
    old, new = arguments_of(before), arguments_of(after)
    names = dict.fromkeys((*old, *new))
    changed = [name for name in names if old.get(name) != new.get(name)]
    apart = changed and revision_of(before) != revision_of(after)
    return [REVISION, *changed] if apart and REVISION not in names else changed


def revision_of(model: Model) -> str | None:
    """The revision that a model is named at; None for one as it is now, or of no repository."""
    return model.revision if isinstance(model, OwnCode) else None


def arguments_of(model: Model) -> dict[str, Argument]:
    """The arguments with which a model is built, by name; none of one that is there already."""
    if isinstance(model, Variant | Unbuildable):
        return {}
    return {argument.name: argument for argument in model.arguments}


def lattice(before: Model, after: Model, names: Sequence[str]) -> dict[Taken, Model]:
    """The models that attribution needs, by which of the axes *names* are taken from *after*.

    Up to MAX_CHANGES changes that is every subset. With more: none and all, each change alone, all
    but each, and the path that takes them in the order of *names*.
    """
    return {taken: between(before, after, taken) for taken in taken_sets(names)}


def taken_sets(names: Sequence[str]) -> Iterable[Taken]:
    """Which of the axes *names* are taken in the models that attribution needs; see lattice."""
    return _subsets(names) if len(names) <= MAX_CHANGES else _path(names)


def between(before: Model, after: Model, taken: Collection[str]) -> Model:
    """The model that is as *after* on the axes *taken*, and as *before* on all others."""
    if isinstance(before, Variant):
        return before._replace(**{name: getattr(after, name) for name in taken})
    if isinstance(before, Unbuildable):
        return before
    old, new = arguments_of(before), arguments_of(after)
    given = {name: argument for name, argument in old.items() if name not in taken}
    given |= {name: argument for name, argument in new.items() if name in taken}
    model = before._replace(arguments=tuple(given.values()))
    if REVISION in taken and REVISION not in (*old, *new) and isinstance(model, OwnCode):
        return model._replace(revision=revision_of(after))
    return model


def constructor(source: Source) -> object:
    """The constructor of a model, which is one design at every revision."""
    if isinstance(source, FromFile):
        return os.path.realpath(source.path), source.name
    return str(source._replace(revision=None)) if isinstance(source, FromModule) else str(source)


def _subsets(names: Sequence[str]) -> Iterator[Taken]:
    return (frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size))


def _path(names: Sequence[str]) -> Iterable[Taken]:
    everything = frozenset(names)
    steps = (frozenset(names[:length]) for length in range(len(names) + 1))
    singles = (frozenset({name}) for name in names)
    return dict.fromkeys((*steps, *singles, *(everything - {name} for name in names)))
