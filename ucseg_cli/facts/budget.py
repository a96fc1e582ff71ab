"""A budget: what is limited, by how much, and where that is written."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.facts.conditions import Size


class Bound(NamedTuple):
    """The largest value allowed: ``ratio`` times the baseline's, rounded down, plus ``offset``.

    *text* is as written; *against_baseline* says whether it depends on the baseline at all.
    """

    ratio: Fraction
    offset: int
    text: str
    against_baseline: bool = False

    def limit(self, baseline: int) -> int:
        """The bound as a number; a count within it is within the exact ratio, since counts are whole."""
        return int(self.ratio * baseline // 1) + self.offset


class Place(NamedTuple):
    """A line of a file that a person can edit."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Budget(NamedTuple):
    """A limit on a metric of models.

    Args:
        id: its name; the command line's own limits have none, and are named by what they say.
        variants: the models it is about, by name.
        module: a path or a pattern of paths; None for the whole network.
        sizes: the inputs; empty where those of the command or the configuration hold.
        max: what fails beyond it. warn: what is told beyond it.
        place: the line to edit, module_place and warn_place those of module and warn; None on the command line.
    """

    id: str | None
    variants: tuple[str, ...]
    metric: str
    module: str | None = None
    dtype: str | None = None
    sizes: tuple[Size, ...] = ()
    max: Bound | None = None
    warn: Bound | None = None
    message: str | None = None
    place: Place | None = None
    module_place: Place | None = None
    warn_place: Place | None = None
