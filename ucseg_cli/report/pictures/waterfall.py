"""A waterfall: the way from one figure to another in steps that add up; values, in any format."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.report.pictures.scatter import Scale


class Step(NamedTuple):
    """A step from one value to the next; *figure* is its size as text, *words* all about it."""

    name: str
    start: int
    end: int
    figure: str
    words: str


class End(NamedTuple):
    """The value at one end of the way, with its name and as text."""

    name: str
    value: int
    figure: str


class Waterfall(NamedTuple):
    """Steps from *first* to *last*, the first one on top.

    *description* is what it shows, for those who do not see it.
    """

    title: str
    description: str
    scale: Scale
    first: End
    steps: tuple[Step, ...]
    last: End
    note: str = ""
