"""Stacked figures over the operators of a pass: values, in any format."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.report.pictures.scatter import Scale


class Band(NamedTuple):
    """One figure over all moments; *words* are shown on hovering."""

    name: str
    values: tuple[int, ...]
    words: str


class Stretch(NamedTuple):
    """Moments *begin* to *end* - 1, under one name."""

    name: str
    begin: int
    end: int


class Highest(NamedTuple):
    """The moment at which all bands together are highest: its *figure* and where it is."""

    moment: int
    figure: str
    where: str


class Course(NamedTuple):
    """Bands on top of each other, the first one lowest.

    Args:
        title: what it is. description: what it shows, for those who do not see it.
        scale: of the figures.
        bands: as many values each.
        highest: where they are highest together.
        stretches: what happens when, one after the other.
        note: what else a reader needs.
    """

    title: str
    description: str
    scale: Scale
    bands: tuple[Band, ...]
    highest: Highest
    stretches: tuple[Stretch, ...]
    note: str = ""

    @property
    def sums(self) -> list[int]:
        """All bands together at each moment."""
        return [sum(values) for values in zip(*(band.values for band in self.bands), strict=True)]
