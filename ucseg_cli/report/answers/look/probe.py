"""``ucseg probe``: tap shapes and what each sees of the input, for models side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from ucseg_cli.analysis.geometry.dilated_reach import reaches
from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.report.answers.look.reach import reach_entries, reach_table
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table
from ucseg_cli.report.fields import (
    Field,
    Fields,
    Output,
    make_entry,
    make_grouped_records,
    make_table,
)
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.probed import Probed, share_names
from ucseg_cli.report.parts.receptive_field_tables import (
    branch_entry,
    branch_fields,
    field_entry,
    field_tables,
    tap_fields,
)
from ucseg_cli.report.parts.short_names import column_names
from ucseg_cli.report.parts.tap_cells import (
    all_maps,
    first_rows,
    shape_cell,
    shape_title,
    stride_cell,
)
from ucseg_cli.units import format_shape

TABLES, SCREEN, FILES, JSON = Output.TABLES, Output.SCREEN, Output.FILES, Output.JSON


def _length(axis: int) -> Callable[[TapShape], int | None]:
    return lambda tap: tap.map and tap.map[axis]


TAP: Field[TapShape] = Field("tap", "tap", attrgetter("name"), Kind.PATH, output=TABLES)
LENGTHS: Fields[TapShape] = (
    Field("channels", "channels", _length(0), Kind.EXACT),
    Field("height", "height", _length(1), Kind.EXACT),
    Field("width", "width", _length(2), Kind.EXACT),
)
SHAPE: Field[TapShape] = Field("shape", "shape", attrgetter("shape"), Kind.SHAPE)
STRIDE: Field[TapShape] = Field("stride", "stride", stride_cell, Kind.EXACT, 1, SCREEN)
MODULE: Field[TapShape] = Field("module", "module", attrgetter("module"), Kind.PATH, 2)
IN_FILES: Fields[TapShape] = (
    TAP,
    Field("name", "", attrgetter("name"), output=JSON),
    *LENGTHS,
    Field("stride", "", attrgetter("whole_stride"), output=FILES),
    MODULE,
    SHAPE,
    Field("dtype", "", attrgetter("dtype"), output=FILES),
    Field("strides", "", attrgetter("whole_strides"), output=JSON),
)


def probe_report(probed: Sequence[Probed], *, top: int | None = None) -> Report:
    """The taps of each model at each size; a table has its first *top* rows and a rest."""
    conditions = list(dict.fromkeys(probed_model.conditions for probed_model in probed))
    names = list(dict.fromkeys(probed_model.subject.name for probed_model in probed))
    return Report(
        kind="ucseg.probe",
        title=f"probe {', '.join(names)}",
        conditions=shown_conditions(conditions),
        tables=tuple(table for at in conditions for table in _tables(probed, at, top)),
        summary=" ".join(map(_summary, probed)),
        payload={
            "conditions": raw_conditions(conditions),
            "models": [_model(probed_model) for probed_model in probed],
        },
        records=make_grouped_records("taps", ("model", "size"), IN_FILES, map(_group, probed)),
    )


def _group(probed: Probed) -> tuple[tuple[str, str], tuple[TapShape, ...]]:
    return (probed.subject.name, str(probed.conditions.at)), probed.shapes


def _tables(probed: Sequence[Probed], conditions: Conditions, top: int | None) -> Iterator[Table]:
    here = [probed_model for probed_model in probed if probed_model.conditions == conditions]
    yield from _tap_tables(here, str(conditions.at), top)
    yield from field_tables(here, conditions, top)
    if len(here) == 1 and (convs := reaches(here[0].subject.trace)):
        yield reach_table(convs, str(conditions.at), compact=True)


def _tap_tables(here: Sequence[Probed], at: str, top: int | None) -> Iterator[Table]:
    """A row for each tap of one model; several stand side by side where they share names."""
    if len(here) == 1:
        yield _of_one(f"Taps at {at}", here[0], top)
    elif share_names([frozenset(tap.name for tap in probed_model.shapes) for probed_model in here]):
        yield _side_by_side(f"Taps at {at}", here, top)
    else:
        yield from (
            _of_one(f"Taps of {probed_model.subject.name} at {at}", probed_model, top)
            for probed_model in here
        )


def _of_one(title: str, probed: Probed, top: int | None) -> Table:
    taps, by_path = probed.shapes, probed.subject.trace.by_path
    lengths = LENGTHS if all_maps(taps) else (SHAPE,)
    place = MODULE
    if all(_names_module(tap) for tap in taps):
        place = Field("type", "type", lambda tap: by_path[tap.module].type, tier=2)
    table = make_table("taps", title, (TAP, *lengths, STRIDE, place), taps, _silent([probed]))
    return table._replace(rows=first_rows(table.rows, top))


def _side_by_side(title: str, here: Sequence[Probed], top: int | None) -> Table:
    by_model = [{tap.name: tap for tap in probed_model.shapes} for probed_model in here]
    names = dict.fromkeys(name for taps in by_model for name in taps)
    as_maps = all_maps(tap for taps in by_model for tap in taps.values())
    short = column_names(probed_model.subject.name for probed_model in here)
    columns = [
        column
        for probed_model in here
        for column in (
            Column(
                f"{probed_model.subject.name}.shape",
                f"{short[probed_model.subject.name]} {shape_title(as_maps=as_maps)}",
                Kind.SHAPE,
            ),
            Column(f"{probed_model.subject.name}.stride", "stride", Kind.EXACT),
        )
    ]
    rows = (
        Row(
            (
                name,
                *(
                    cell
                    for taps in by_model
                    for cell in _shape_and_stride(taps.get(name), as_maps=as_maps)
                ),
            )
        )
        for name in names
    )
    return Table("taps", title, (TAP.column, *columns), first_rows(rows, top), _silent(here))


def _shape_and_stride(tap: TapShape | None, *, as_maps: bool) -> tuple[Cell, Cell]:
    return shape_cell(tap, as_maps=as_maps), stride_cell(tap)


def _names_module(tap: TapShape) -> bool:
    """Whether the tap's name says already whose output it is."""
    return tap.name.partition("[")[0] == tap.module or not tap.module


def _silent(here: Sequence[Probed]) -> str | None:
    """Which taps that were asked for have no tensor, and why."""
    sentences = []
    for called, what in ((False, "never ran"), (True, "returned no tensor")):
        names = dict.fromkeys(
            tap.name
            for probed_model in here
            for tap in probed_model.shapes
            if tap.shape is None
            and bool(probed_model.subject.trace.by_path[tap.module].calls) is called
        )
        sentences += [f"On this input {', '.join(names)} {what}."] if names else []
    return " ".join(sentences) or None


def _model(probed: Probed) -> dict[str, Any]:
    fields = {field.name: field_entry(field) for field in tap_fields(probed)}
    return {
        "name": probed.subject.name,
        "input": list(probed.conditions.first_shape),
        "taps": [
            {**make_entry(IN_FILES, tap), **fields.get(tap.name, field_entry(None))}
            for tap in probed.shapes
        ],
        "branches": [branch_entry(field) for field in branch_fields(probed.subject)],
        "reach": reach_entries(reaches(probed.subject.trace)),
    }


def _summary(probed: Probed) -> str:
    """The deepest tap, which is the last that is still a map of the input, else the last."""
    at, name = probed.conditions.at, probed.subject.name
    where = f"At {at} pixels" if isinstance(at, Size) else f"On {at}"
    produced = [tap for tap in probed.shapes if tap.shape is not None]
    if not produced:
        return f"{where} none of the taps that were asked for ran in {name}."
    deepest = next((tap for tap in reversed(produced) if tap.stride is not None), produced[-1])
    cell = stride_cell(deepest)
    stride = f", stride {format_shape((cell,) if isinstance(cell, int) else cell)}" if cell else ""
    shape = format_shape(tuple(deepest.map) if deepest.map else deepest.shape)
    tap = f"the {deepest.name} tap of {name}" if deepest.module else f"the output of {name}"
    return f"{where} {tap} is {shape}{stride}{_degenerate(probed.subject)}."


def _degenerate(subject: Subject) -> str:
    rates = list(
        dict.fromkeys(str(max(conv.rate)) for conv in reaches(subject.trace) if conv.is_pointwise)
    )
    if len(rates) < 2:
        return "".join(f"; there rate {rate} is exactly a 1×1 conv" for rate in rates)
    return f"; there rates {', '.join(rates[:-1])} and {rates[-1]} are exactly 1×1 convs"
