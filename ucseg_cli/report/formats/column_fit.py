"""The columns of a table that fit a width, and their widths: names are squeezed, not figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ucseg_cli.report.document import Column, Kind, Table
from ucseg_cli.report.formats.cells import FLEXIBLE, SPAN_CELLS
from ucseg_cli.report.formats.screen import SENTENCE

GAP = 2
BARS = (16, 8, 4)
"""Cells of a bar that stands for the whole, the longest that fits."""
SPANS = (SPAN_CELLS, 16, 8)
"""Cells of the scale on which spans are drawn, the longest that fits."""
COMFORT, SHORT, LEAST = 24, 12, 8
"""Cells a name keeps while columns can be dropped, once none can, and at the very least."""

_TIER_WIDTHS = ((100, 3), (72, 2), (50, 1))


class Layout(NamedTuple):
    """The columns shown, by index, with their widths, and the cells of a share's bar (0: none)."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]
    bar: int = 0

    def columns(self, table: Table) -> tuple[Column, ...]:
        """The columns of *table* that are shown."""
        return tuple(table.columns[index] for index in self.shown)

    def dropped(self, table: Table) -> tuple[Column, ...]:
        """The columns of *table* that are not shown."""
        kept = set(self.shown)
        return tuple(column for index, column in enumerate(table.columns) if index not in kept)


def fit_columns(table: Table, natural: Sequence[int], width: int | None) -> Layout:
    """The most columns that fit *width*, given how wide each would like to be.

    Drawings are fitted last, into the room that figures leave: they repeat what a figure says.
    Columns are those of the tiers that belong to the width; the next tier goes until no figure
    needs squeezing. In a pipe all are whole, but prose folds where sentences do.
    """
    if width is None:
        return _unbounded(table, natural)
    figures = [index for index, column in enumerate(table.columns) if column.kind is not Kind.SPAN]
    for shown, least in _choices(table, figures, width):
        wished = [natural[index] for index in shown]
        names = [place for place, index in enumerate(shown) if _is_name(table.columns[index])]
        widths = _squeeze(wished, names, least, width)
        if widths is not None:
            return _with_drawings(table, Layout(shown, widths), width - _total(wished))
    return Layout((0,), (min(natural[0], width),))


def _unbounded(table: Table, natural: Sequence[int]) -> Layout:
    kinds = [column.kind for column in table.columns]
    wished = [
        SPAN_CELLS if kind is Kind.SPAN else n for kind, n in zip(kinds, natural, strict=True)
    ]
    prose = [index for index, kind in enumerate(kinds) if kind is Kind.PROSE]
    # beside wide figures, prose takes what makes a narrow column of text
    limit = max(
        SENTENCE, _total([min(n, COMFORT) if i in prose else n for i, n in enumerate(wished)])
    )
    widths = _squeeze(wished, prose, COMFORT, limit) if prose else None
    return Layout(tuple(range(len(kinds))), widths or tuple(wished))


def _choices(
    table: Table, figures: Sequence[int], width: int
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Sets of columns from most to fewest, each with the cells its names must keep."""
    # a row without its name says nothing
    tiers = {index: table.columns[index].tier if index else 0 for index in figures}
    # Optional columns go tier by tier, then names are cut short, then even essential ones go.
    for limit in range(_tier_limit(width), 0, -1):
        yield tuple(index for index in figures if tiers[index] <= limit), COMFORT
    if _tier_limit(width):
        yield tuple(index for index in figures if tiers[index] <= 1), SHORT
    essential = tuple(index for index in figures if tiers[index] == 0)
    yield essential, SHORT
    for count in range(len(essential), 1, -1):
        yield essential[:count], LEAST


def _tier_limit(width: int) -> int:
    return next((tier for least, tier in _TIER_WIDTHS if width >= least), 0)


def _is_name(column: Column) -> bool:
    return column.kind in FLEXIBLE


def _squeeze(
    wished: Sequence[int], names: Sequence[int], least: int, width: int
) -> tuple[int, ...] | None:
    """The widths once names gave up what is missing, the longest first; None if they cannot."""
    widths = list(wished)
    # One cell at a time, since the longest name changes as they give up cells.
    for _ in range(_total(widths) - width):
        longest = max(names, key=widths.__getitem__, default=None)
        if longest is None or widths[longest] <= least:
            return None
        widths[longest] -= 1
    return tuple(widths)


def _with_drawings(table: Table, layout: Layout, room: int) -> Layout:
    """The layout with the longest scales and bars that fit the *room* left; scales come first."""
    spans = [index for index, column in enumerate(table.columns) if column.kind is Kind.SPAN]
    scale = _longest(SPANS, len(spans), room)
    widths = dict(zip(layout.shown, layout.widths, strict=True))
    if spans and scale:
        room -= len(spans) * (scale + GAP)
        widths.update(dict.fromkeys(spans, scale))
    shares = sum(column.kind is Kind.SHARE for column in layout.columns(table))
    shown = tuple(sorted(widths))
    return Layout(shown, tuple(widths[index] for index in shown), _longest(BARS, shares, room))


def _longest(lengths: Sequence[int], count: int, room: int) -> int:
    """The longest of *lengths* of which *count* fit, each with a gap; 0 if none does."""
    return next((length for length in lengths if count * (length + GAP) <= room), 0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
