"""A diagram: boxes and the tensors between them; values, in any format."""

from __future__ import annotations

from typing import NamedTuple

SAME, CHANGED, NEW = "", "changed", "new"
"""The word of a comparison about a box."""


class Box(NamedTuple):
    """A box: its name, what it is under it, names of taps, what changed, words on hovering."""

    name: str
    kind: str
    taps: tuple[str, ...] = ()
    status: str = SAME
    words: str = ""


class Arrow(NamedTuple):
    """A tensor from the box at *source* to the one at *target*, with its shape as text."""

    source: int
    target: int
    shape: str


class Diagram(NamedTuple):
    """Boxes in the order of running; an arrow leads to a later one.

    *description* is what it shows, for those who do not see it.
    """

    title: str
    description: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    note: str = ""
