"""The effect of each axis on each quantity, exact over all pairs that differ in one step alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from operator import sub

from ucseg_cli.analysis.space.sweep_answer import AxisEffect, Column, Number
from ucseg_cli.references.space import Space


def axis_effects(space: Space, columns: Mapping[str, Column]) -> tuple[AxisEffect, ...]:
    """By axis, then by column. Axes of one value have no steps, and are left out."""
    pairs = zip(space.axes, space.strides, strict=True)
    varied = [(axis, stride) for axis, stride in pairs if len(axis.values) > 1]
    return tuple(
        _effect(axis.name, label, column_steps(column, len(axis.values), stride))
        for axis, stride in varied
        for label, column in columns.items()
    )


def column_steps(column: Column, radix: int, stride: int) -> list[Number]:
    """The differences of a column over each step of an axis, where both figures are known."""
    steps: list[Number] = []
    for before, after in _slices(len(column), radix, stride):
        steps += _differences(column[before], column[after])
    return steps


def _slices(size: int, radix: int, stride: int) -> Iterator[tuple[slice, slice]]:
    """The slices of a column that, side by side, hold all the pairs: as few as there can be."""
    block = radix * stride
    if size // block <= (radix - 1) * stride:
        for start in range(0, size, block):
            end = start + block
            yield slice(start, end - stride), slice(start + stride, end)
    else:
        for start in range(block - stride):
            yield slice(start, size, block), slice(start + stride, size, block)


def _differences(before: Column, after: Column) -> Iterable[Number]:
    if None not in before and None not in after:
        return map(sub, after, before)
    pairs = zip(before, after, strict=True)
    return [new - old for old, new in pairs if old is not None and new is not None]


def _effect(axis: str, label: str, steps: Sequence[Number]) -> AxisEffect:
    if not steps:
        return AxisEffect(axis, label, None, None, None, 0)
    mean = Fraction(sum(steps)) / len(steps)
    return AxisEffect(axis, label, mean, min(steps), max(steps), len(steps))
