"""Which columns of a table fit a width, and how wide each is: figures are never squeezed, names may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ucseg_cli.report.document import Column, Kind, Table
from ucseg_cli.report.formats.cells import FLEXIBLE

GAP = 2
BARS = (16, 8)
"""Cells of a bar that stands for the whole, the longest that fits."""
COMFORT, SHORT, LEAST = 24, 12, 8
"""Cells a name keeps while there are columns to drop, once there are none, and when nothing else helps."""

_TIER_WIDTHS = ((100, 3), (72, 2), (50, 1))


class Layout(NamedTuple):
    """The columns shown, by index, each with its width, and the cells of a share's bar (0: none)."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]
    bar: int = 0

    def dropped(self, table: Table) -> tuple[Column, ...]:
        """The columns of *table* that are not shown."""
        return tuple(
            column for index, column in enumerate(table.columns) if index not in self.shown
        )


def fit_columns(table: Table, natural: Sequence[int], width: int | None) -> Layout:
    """The most columns that fit *width*, given how wide each would like to be.

    Starts from the tiers that belong to the width and drops the next tier until no figure needs squeezing. Bars are
    the first to go: they repeat what the percentage says.
    """
    if width is None:
        return Layout(tuple(range(len(natural))), tuple(natural))
    for shown, least in _choices(table, width):
        wished = [natural[index] for index in shown]
        columns = [table.columns[index] for index in shown]
        widths = _squeeze(columns, wished, least, width)
        if widths is not None:
            return Layout(shown, widths, _longest_bar(columns, wished, width))
    return Layout((0,), (min(natural[0], width),))


def _choices(table: Table, width: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Sets of columns from most to fewest, each with the cells its names must keep."""
    tiers = [
        0,
        *(column.tier for column in table.columns[1:]),
    ]  # a row without its name says nothing
    for limit in range(_tier_limit(width), 0, -1):
        yield _up_to(limit, tiers), COMFORT
    essential = _up_to(0, tiers)
    yield essential, SHORT
    for count in range(len(essential), 1, -1):
        yield essential[:count], LEAST


def _up_to(limit: int, tiers: Sequence[int]) -> tuple[int, ...]:
    return tuple(index for index, tier in enumerate(tiers) if tier <= limit)


def _tier_limit(width: int) -> int:
    return next((tier for least, tier in _TIER_WIDTHS if width >= least), 0)


def _squeeze(
    columns: Sequence[Column], wished: Sequence[int], least: int, width: int
) -> tuple[int, ...] | None:
    """The widths once names have given up what is missing, the longest first; None where that is not enough."""
    widths = list(wished)
    names = [index for index, column in enumerate(columns) if column.kind in FLEXIBLE]
    for _ in range(_total(widths) - width):
        longest = max(names, key=widths.__getitem__, default=None)
        if longest is None or widths[longest] <= least:
            return None
        widths[longest] -= 1
    return tuple(widths)


def _longest_bar(columns: Sequence[Column], wished: Sequence[int], width: int) -> int:
    shares = sum(column.kind is Kind.SHARE for column in columns)
    room = width - _total(wished)
    return next((bar for bar in BARS if shares * (bar + GAP) <= room), 0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
