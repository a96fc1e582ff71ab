"""Which axes of a tensor are the input's height, width and time, through views and permutations.

An axis is written in digits, as a number is: flattened, 14 by 14 positions are one axis with a
digit of height and one of width, and cut into windows of 7, a height of 14 is two digits, of 2
and of 7.
So a view only moves the boundaries between digits: put together again, they are a map.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import prod
from typing import NamedTuple

TIME, HEIGHT, WIDTH = "time", "height", "width"
OF_INPUTS: dict[int, tuple[str | None, ...]] = {
    4: (None, None, HEIGHT, WIDTH),
    5: (None, None, TIME, HEIGHT, WIDTH),
}
"""The axes of images and of videos, by rank; other inputs have none."""


class Digit(NamedTuple):
    """Positions *step* input positions apart along *axis*; None if they have none there."""

    axis: str | None
    step: Fraction
    length: int


Axis = tuple[Digit, ...]
"""From the digit that changes last to the one that changes first."""
Grid = tuple[Axis, ...]


class Place(NamedTuple):
    """Where a tensor has one of the input's axes, and the input positions between neighbours."""

    position: int
    step: Fraction


def grid_of_input(shape: Sequence[int]) -> Grid | None:
    """The grid of an image or a video; None for what has another rank."""
    if len(shape) not in OF_INPUTS:
        return None
    named = zip(OF_INPUTS[len(shape)], shape, strict=True)
    return tuple((Digit(name, Fraction(name is not None), length),) for name, length in named)


def places(grid: Grid) -> dict[str, Place]:
    """The axes that are height, width or time, each a single digit and on a single axis."""
    found: dict[str, list[Place]] = {}
    for position, axis in enumerate(grid):
        if len(axis) == 1 and axis[0].axis is not None:
            found.setdefault(axis[0].axis, []).append(Place(position, axis[0].step))
    return {name: axes[0] for name, axes in found.items() if len(axes) == 1}


def extent(grid: Grid) -> tuple[int, int] | None:
    """Positions along height and width, over all axes; None where some are missing or repeated."""
    down, across = (
        _extent(digit for axis in grid for digit in axis if digit.axis == name)
        for name in (HEIGHT, WIDTH)
    )
    return None if down is None or across is None else (down, across)


def unknown(length: int) -> Axis:
    """An axis whose positions have none in the input."""
    return (Digit(None, Fraction(), length),)


def knows(axis: Axis) -> bool:
    """Whether any digit of it is the input's."""
    return any(digit.axis is not None for digit in axis)


def axis_length(axis: Axis) -> int:
    """Positions along it."""
    return prod(digit.length for digit in axis)


def relength(axis: Axis, length: int, step: Fraction | int = 1) -> Axis:
    """The axis with more or fewer positions, *step* times as far apart."""
    if len(axis) > 1 or axis[0].axis is None:
        return axis if step == 1 and axis_length(axis) == length else unknown(length)
    return (Digit(axis[0].axis, axis[0].step * step, length),)


def reshape(grid: Grid, shape: Sequence[int]) -> Grid | None:
    """The same digits with the boundaries of *shape*; None where these cut a digit unevenly."""
    if tuple(map(axis_length, grid)) == tuple(shape):
        return grid
    if 0 in shape:
        return None
    # Digits of all axes in one row, the outermost last, so that each axis takes from the end.
    left = join(digit for axis in grid for digit in axis)[::-1]
    axes = tuple(_take(left, length) for length in shape)
    return axes if all(axes) and not left else None


def join(digits: Iterable[Digit]) -> list[Digit]:
    """Merge neighbours of which one counts on where the other ends; drop digits of one position."""
    joined: list[Digit] = []
    for digit in digits:
        outer = joined[-1] if joined else None
        # The outer digit counts whole runs of the inner one, as tens count runs of ones.
        if outer and (outer.axis, outer.step) == (digit.axis, digit.step * digit.length):
            joined[-1] = digit._replace(length=outer.length * digit.length)
        elif digit.length > 1:
            joined.append(digit)
    return joined


def _extent(digits: Iterable[Digit]) -> int | None:
    digits = sorted(digits, key=lambda digit: -digit.step)
    joined = join(digits) or digits[:1]
    return joined[0].length if len(joined) == 1 else None


def _take(left: list[Digit], length: int) -> Axis:
    """Take from the end of *left* the digits of an axis; none where one is cut unevenly."""
    taken: list[Digit] = []
    while length > 1 and left:
        outer = left.pop()
        inner = outer.length // length
        if inner > 1 and outer.length % length == 0:
            # The digit is longer than the axis: it keeps the inner part for the next one.
            left.append(outer._replace(length=inner))
            outer = outer._replace(step=outer.step * inner, length=length)
        if length % outer.length:
            return ()
        taken.append(outer)
        length //= outer.length
    return () if length > 1 else tuple(join(taken)) or unknown(1)
