"""How a tap is written in a table, for every answer that has taps."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.report.document import Cell, Role, Row
from ucseg_cli.units import plural


def all_maps(taps: Iterable[TapShape | None]) -> bool:
    """Whether all that there are are feature maps of images, so that C×H×W describes them."""
    return all(tap is None or tap.shape is None or tap.map is not None for tap in taps)


def shape_title(*, as_maps: bool) -> str:
    """The heading over shapes."""
    return "C×H×W" if as_maps else "shape"


def shape_cell(tap: TapShape | None, *, as_maps: bool) -> Cell:
    """Channels, height and width, in the order of the tensor, else the shape whole."""
    if tap is None:
        return None
    return tuple(tap.map) if as_maps and tap.map is not None else tap.shape


def stride_cell(tap: TapShape | None) -> int | tuple[int, ...] | None:
    """One number where every axis has the same, else one for each: ``8×16×16`` of a video."""
    if tap is None or tap.whole_strides is None:
        return None
    return tap.whole_strides if len(set(tap.whole_strides)) > 1 else tap.whole_strides[0]


def first_rows(rows: Iterable[Row], top: int | None) -> tuple[Row, ...]:
    """The first *top* rows, and one that counts the others; all without *top*."""
    rows = tuple(rows)
    if top is None or len(rows) <= top:
        return rows
    others = (plural(len(rows) - top, "other"), *(None for _ in rows[0].cells[1:]))
    return (*rows[:top], Row(others, role=Role.FOLDED))
