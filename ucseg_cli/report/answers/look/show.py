"""``ucseg show``: one model on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.counting.metrics import METRICS, own_figures, totals
from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows, of_metrics
from ucseg_cli.analysis.geometry.tap_shapes import TapShape, tap_shapes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.trace import Tap
from ucseg_cli.references import call_text
from ucseg_cli.references.variants import AxisValue
from ucseg_cli.report.document import Column, Highlight, Kind, Report, Row, Table, Unit
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import (
    PLACE,
    Arrangement,
    count_of,
    label,
    module_table,
    share_of,
)
from ucseg_cli.report.parts.tap_cells import all_maps, shape_cell, shape_title, stride_cell
from ucseg_cli.units import format_count, format_shape

if TYPE_CHECKING:
    from ucseg_cli.report.pictures.picture import Picture

HEAVIEST, DEPTH = 6, 2

AXIS_AND_VALUE: Fields[AxisValue] = (
    Field("axis", "axis", lambda row: row[0].name),
    Field("value", "value", lambda row: row[0].show(row[1])),
)

SCREEN, JSON = Output.SCREEN, Output.JSON


def show_report(
    subject: Subject, conditions: Conditions, convention: Convention, settings: Settings
) -> Report:
    """Axes, totals, output, taps and the heaviest modules of a model."""
    trace = subject.trace
    figures, taps = totals(trace), tap_shapes(trace)
    # a model that stopped midway has taps, but no output
    output = tap_shapes(trace, [Tap("output", "")]) if trace.outputs else ()
    # the model itself is a tap of one that has no modules; there the output's row says the same
    shown = (*(tap for tap in taps if tap.module or not output), *output)
    axes = {axis.name: value for axis, value in subject.axes} or None
    hint = (
        f"{call_text('lint', subject.name, subject.model)} shows what it wastes, "
        f"{call_text('compare', subject.name, subject.model)} why it differs."
    )
    return Report(
        kind="ucseg.show",
        title=f"show {subject.name}",
        conditions=shown_conditions([conditions], convention),
        tables=(
            _totals_table(figures),
            *_axes_tables(subject, settings),
            make_table("taps", "Taps", _tap_fields(shown), shown),
            _heaviest_table(subject, convention, figures),
        ),
        summary=_summary(subject, convention, figures),
        payload={
            "conditions": raw_conditions([conditions], convention),
            "model": subject.name,
            "total": figures,
            "axes": axes,
            "output": [list(trace.tensors[tensor].shape) for tensor in trace.outputs] or None,
            "taps": make_entries(_tap_fields(taps), taps),
        },
        pictures=lambda: _icicle(subject, convention, figures),
        notes=() if subject.trace.failure or conditions.given is not None else (hint,),
        highlights=tuple(
            Highlight(METRICS[name].title, figures[name])
            for name in ("params", *CONVENTIONS)
            if name in figures
        ),
    )


def _icicle(
    subject: Subject, convention: Convention, figures: Mapping[str, int]
) -> tuple[Picture, ...]:
    """The operations by module; of a model that does not run its parameters."""
    # only a format that draws needs it
    from ucseg_cli.report.parts.drawn.module_icicle import Measured, module_icicles

    runs = convention.name in figures
    name = convention.name if runs else "params"
    title, noun = METRICS[name].title, convention.noun if runs else "parameters"
    metric = Measured(name, f"{title[0].upper()}{title[1:]}", noun)
    own = of_metrics(own_figures(subject.trace), (name,))
    return module_icicles(subject.trace, own, metric)


def _summary(subject: Subject, convention: Convention, figures: Mapping[str, int]) -> str:
    has = f"{subject.name} has {format_count(figures['params'], exact=True)} parameters"
    if convention.name not in figures:
        return f"{has}, and does not run."
    takes = f"{format_count(figures[convention.name], exact=True)} {convention.noun}"
    shapes = ", ".join(format_shape(subject.trace.shape(o)) for o in subject.trace.outputs)
    output = f"; its output is {shapes}" if shapes else ""
    return f"{has} and takes {takes}{output}."


def _totals_table(figures: Mapping[str, int]) -> Table:
    metrics = [metric for metric in METRICS.values() if metric.name in figures]
    columns = (Column("metric", "metric"), Column("value", "value", Kind.QUANTITY))
    rows = []
    for metric in metrics:
        unit = Unit.BYTES if metric.in_bytes else Unit.COUNT
        rows.append(Row((metric.title, figures[metric.name]), unit=unit))
    return Table("totals", "Totals", columns, tuple(rows))


def _axes_tables(subject: Subject, settings: Settings) -> Iterator[Table]:
    """The value of each axis, and the baseline's where it is another."""
    if subject.variant is None:
        yield from _constructor_tables(subject)
        return
    base, baseline = settings.family_baseline
    before = dict(baseline.values)

    def other(row: AxisValue) -> str:
        axis, value = row
        return "" if before[axis] == value else axis.show(before[axis])

    fields: Fields[AxisValue] = (
        *AXIS_AND_VALUE,
        Field("baseline", f"where {base} has", other, tier=1),
    )
    yield make_table("axes", "Axes", fields, subject.axes)


def _constructor_tables(subject: Subject) -> Iterator[Table]:
    """The value of each argument of the constructor, and its default where it has another."""
    defaults = {axis.name: axis.default for axis in subject.trace.axes}

    def default(row: AxisValue) -> str:
        axis, value = row
        return "" if defaults[axis.name] == value else axis.show(defaults[axis.name])

    fields: Fields[AxisValue] = (
        *AXIS_AND_VALUE,
        Field("default", "default", default, tier=1),
        Field("accepts", "accepts", lambda row: row[0].accepts, tier=2),
    )
    if subject.axes:
        yield make_table("axes", "Axes", fields, subject.axes)


def _tap_fields(taps: tuple[TapShape, ...]) -> Fields[TapShape]:
    as_maps = all_maps(taps)
    return (
        Field("tap", "tap", lambda tap: tap.name, Kind.PATH, output=SCREEN),
        Field("name", "", lambda tap: tap.name, output=JSON),
        Field(
            "shape",
            shape_title(as_maps=as_maps),
            lambda tap: shape_cell(tap, as_maps=as_maps),
            Kind.SHAPE,
            output=SCREEN,
        ),
        Field("stride", "stride", stride_cell, Kind.EXACT, output=SCREEN),
        Field("module", "module", lambda tap: tap.module, Kind.PATH, tier=1),
        Field("shape", "", lambda tap: tap.shape, output=JSON),
        Field("stride", "", lambda tap: tap.whole_stride, output=JSON),
    )


def _heaviest_table(subject: Subject, convention: Convention, figures: Mapping[str, int]) -> Table:
    """By operations; of a model that does not run, by parameters."""
    shown = [name for name in (convention.name, "params") if name in figures]
    own = of_metrics(own_figures(subject.trace), shown)
    rows = module_rows(subject.trace, own, max_depth=DEPTH)
    fields: list[Field[TreeRow]] = [field for field in PLACE if field.key == "path"]
    for tier, name in enumerate(shown, start=1):
        share = share_of(name, figures[name])
        fields.append(Field(name, METRICS[name].title, count_of(name), Kind.QUANTITY))
        fields.append(Field(f"{name}_share", "share", share, Kind.SHARE, tier))
    arrangement = Arrangement(DEPTH, "count", HEAVIEST)
    table = module_table("Heaviest modules", fields, rows, arrangement, shown[0])
    has_own = any(row.cells[0] == label("", own=True) for row in table.rows)
    note = "(own) is what a module holds or runs beside its children."
    return table._replace(note=note if has_own else None)
