"""``ucseg probe``: tap shapes and what each sees of the input, of several models and sizes side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ucseg_cli.analysis.reach import reaches
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.taps import TapShape, tap_shapes
from ucseg_cli.conditions import Conditions
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table
from ucseg_cli.report.header import raw_conditions, shown_conditions
from ucseg_cli.report.reach import reach_entry, reach_table
from ucseg_cli.report.receptive_field_table import branch_entry, branch_fields, field_entry, field_tables, tap_fields
from ucseg_cli.units import format_shape

MAP_COLUMNS = (
    Column("channels", "channels", Kind.EXACT),
    Column("height", "height", Kind.EXACT),
    Column("width", "width", Kind.EXACT),
    Column("stride", "stride", Kind.EXACT, tier=1),
    Column("module", "module", Kind.PATH, tier=2),
)


class Probed(NamedTuple):
    """A model on one input."""

    subject: Subject
    conditions: Conditions


def probe_report(probed: Sequence[Probed]) -> Report:
    """The taps of each model at each size."""
    conditions = list(dict.fromkeys(each.conditions for each in probed))
    names = list(dict.fromkeys(each.subject.name for each in probed))
    records = [(each, tap) for each in probed for tap in tap_shapes(each.subject.trace)]
    return Report(
        kind="ucseg.probe",
        title=f"probe {', '.join(names)}",
        conditions=shown_conditions(conditions),
        tables=tuple(table for each in conditions for table in _tables(probed, each, several=len(names) > 1)),
        summary=" ".join(map(_summary, probed)),
        payload={
            "conditions": raw_conditions(conditions),
            "models": [_model(each) for each in probed],
        },
        records=Table(
            "taps",
            "Taps",
            (Column("model", "model"), Column("size", "size"), Column("tap", "tap"), *MAP_COLUMNS),
            tuple(Row((each.subject.name, each.conditions.label, tap.name, *_cells(tap))) for each, tap in records),
        ),
    )


def _tables(probed: Sequence[Probed], conditions: Conditions, *, several: bool) -> Iterator[Table]:
    here = [each for each in probed if each.conditions == conditions]
    yield _tap_table(here, conditions.label, several=several)
    yield from field_tables([each.subject for each in here], conditions)
    if not several and (convs := reaches(here[0].subject.trace)):
        yield reach_table(convs, conditions.label, compact=True)


def _tap_table(here: Sequence[Probed], at: str, *, several: bool) -> Table:
    """One model has a row for each tap and a column for each property; several stand side by side, a column each."""
    title = f"Taps at {at}"
    if several:
        return _side_by_side(title, here)
    rows = tuple(Row((tap.name, *_cells(tap))) for tap in tap_shapes(here[0].subject.trace))
    return Table("taps", title, (Column("tap", "tap"), *MAP_COLUMNS), rows)


def _side_by_side(title: str, here: Sequence[Probed]) -> Table:
    by_model = [{tap.name: tap for tap in tap_shapes(each.subject.trace)} for each in here]
    names = dict.fromkeys(name for taps in by_model for name in taps)
    columns = [
        column
        for each in here
        for column in (
            Column(f"{each.subject.name}.shape", f"{each.subject.name} C×H×W", Kind.SHAPE),
            Column(f"{each.subject.name}.stride", "stride", Kind.EXACT),
        )
    ]
    rows = [Row((name, *(cell for taps in by_model for cell in _map_and_stride(taps.get(name))))) for name in names]
    return Table("taps", title, (Column("tap", "tap"), *columns), tuple(rows))


def _map_and_stride(tap: TapShape | None) -> tuple[Cell, Cell]:
    return (None, None) if tap is None else (tap.shape[1:], tap.whole_stride)


def _cells(tap: TapShape) -> tuple[Cell, ...]:
    _, channels, height, width = tap.shape
    return channels, height, width, tap.whole_stride, tap.module


def _model(probed: Probed) -> dict[str, Any]:
    keys = ("name", "channels", "height", "width", "stride", "module")
    shapes, fields = tap_shapes(probed.subject.trace), tap_fields(probed.subject)
    return {
        "name": probed.subject.name,
        "input": list(probed.conditions.inputs[0].shape),
        "taps": [
            {**dict(zip(keys, (tap.name, *_cells(tap)), strict=True)), **field_entry(field)}
            for tap, field in zip(shapes, fields, strict=True)
        ],
        "branches": [branch_entry(field) for field in branch_fields(probed.subject)],
        "reach": [reach_entry(conv) for conv in reaches(probed.subject.trace)],
    }


def _summary(probed: Probed) -> str:
    taps = tap_shapes(probed.subject.trace)
    deepest = taps[-1]
    stride = f", stride {deepest.whole_stride}" if deepest.whole_stride else ""
    pointwise = [str(max(conv.rate)) for conv in reaches(probed.subject.trace) if conv.is_pointwise]
    are = "rate {} is exactly a 1×1 conv" if len(pointwise) == 1 else "rates {} are exactly 1×1 convs"
    degenerate = f"; there {are.format(' and '.join(pointwise))}" if pointwise else ""
    return (
        f"At {probed.conditions.label} pixels the {deepest.name} tap of {probed.subject.name} "
        f"is {format_shape(deepest.shape[1:])}{stride}{degenerate}."
    )
