"""Which axis bought what between neighbours on a front, out of the figures of the space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from ucseg_cli.analysis.comparing.attribution import Attribution, attribute, first_order
from ucseg_cli.analysis.space.sweep_answer import FrontPoint, FrontStep
from ucseg_cli.facts.swept import Figures
from ucseg_cli.references.designs import Taken, taken_sets
from ucseg_cli.references.space import Space
from ucseg_cli.references.variants import Variant

MOST_STEPS = 200
"""A longer front has only its first steps explained."""


def front_steps(
    space: Space, front: Sequence[FrontPoint], columns: Mapping[str, Figures]
) -> tuple[FrontStep, ...]:
    """The step from each variant to the next, with the reasons for each of the *columns*.

    The models between two of a space are in the space, too, so that nothing else is recorded.
    """
    variants = [point.variant for point in front[: MOST_STEPS + 1]]
    return tuple(explain_step(space, *pair, columns) for pair in pairwise(variants))


def explain_step(
    space: Space, before: int, after: int, columns: Mapping[str, Figures]
) -> FrontStep:
    """One step, by the axes on which two variants differ."""
    pairs = zip(space.axes, space.digits_at(before), space.digits_at(after), strict=True)
    axes = [axis.name for axis, old, new in pairs if old != new]
    between = dict(_between(space, before, after, axes))
    return FrontStep(before, after, tuple(axes), tuple(_reasons(space, axes, between, columns)))


def _between(
    space: Space, before: int, after: int, axes: Sequence[str]
) -> Iterator[tuple[Taken, int]]:
    """The variants between two, by the axes that are as in the second."""
    rows = zip(
        space.axes, space.strides, space.digits_at(before), space.digits_at(after), strict=True
    )
    moves = {axis.name: (new - old) * stride for axis, stride, old, new in rows}
    for taken in taken_sets(axes):
        yield taken, before + sum(moves[name] for name in taken)


def _reasons(
    space: Space, axes: Sequence[str], between: Mapping[Taken, int], columns: Mapping[str, Figures]
) -> Iterator[Attribution]:
    is_family = isinstance(space.base.model, Variant)
    kinds = [axis.name for axis in space.axes if is_family and isinstance(axis.base, str)]
    for label, column in columns.items():
        figures = {taken: column[variant] for taken, variant in between.items()}
        known = {taken: figure for taken, figure in figures.items() if figure is not None}
        begins = axes and frozenset() in known
        if begins and first_order(known, axes) is not None:
            yield attribute(label, known, axes, kinds)
