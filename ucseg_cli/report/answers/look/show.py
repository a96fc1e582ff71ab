"""``ucseg show``: one model on one screen."""

from __future__ import annotations

from collections.abc import Mapping

from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.counting.metrics import METRICS, own_figures, totals
from ucseg_cli.analysis.counting.module_tree import module_rows
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.references.variants import AXES
from ucseg_cli.report.document import Cell, Column, Highlight, Kind, Report, Row, Table, Unit
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import Arrangement, arrange, label
from ucseg_cli.report.parts.tap_cells import all_maps, shape_cell, shape_title, stride_cell
from ucseg_cli.units import exact_ratio, format_count

HEAVIEST, DEPTH = 6, 2


def show_report(
    subject: Subject, conditions: Conditions, convention: Convention, settings: Settings
) -> Report:
    """Axes, totals, taps and the heaviest modules of a model."""
    figures = totals(subject.trace)
    return Report(
        kind="ucseg.show",
        title=f"show {subject.name}",
        conditions=shown_conditions([conditions], convention),
        tables=(
            _totals_table(figures),
            *_axes_tables(subject, settings),
            _taps_table(subject),
            _heaviest_table(subject, convention, figures),
        ),
        summary=_summary(subject, convention, figures),
        payload={
            "conditions": raw_conditions([conditions], convention),
            "model": subject.name,
            "total": figures,
            "axes": {axis.name: getattr(subject.variant, axis.name) for axis in AXES}
            if subject.variant
            else None,
            "taps": [
                {
                    "name": tap.name,
                    "module": tap.module,
                    "shape": tap.shape,
                    "stride": tap.whole_stride,
                }
                for tap in tap_shapes(subject.trace)
            ],
        },
        notes=()
        if subject.trace.failure or conditions.given
        else (
            f"`ucseg lint {subject.name}` tells what it wastes, `ucseg compare {subject.name}` why it differs.",
        ),
        highlights=tuple(
            Highlight(METRICS[name].title, figures[name])
            for name in ("params", *CONVENTIONS)
            if name in figures
        ),
    )


def _summary(subject: Subject, convention: Convention, figures: Mapping[str, int]) -> str:
    has = f"{subject.name} has {format_count(figures['params'], exact=True)} parameters"
    if convention.name not in figures:
        return f"{has}, and does not run."
    return (
        f"{has} and takes {format_count(figures[convention.name], exact=True)} {convention.noun}."
    )


def _totals_table(figures: dict[str, int]) -> Table:
    rows = tuple(
        Row(
            (metric.title, figures[metric.name]), unit=Unit.BYTES if metric.in_bytes else Unit.COUNT
        )
        for metric in METRICS.values()
        if metric.name in figures
    )
    return Table(
        "totals",
        "Totals",
        (Column("metric", "metric"), Column("value", "value", Kind.QUANTITY)),
        rows,
    )


def _axes_tables(subject: Subject, settings: Settings) -> list[Table]:
    if subject.variant is None:
        return []
    base, baseline = settings.family_baseline
    rows = []
    for axis in AXES:
        value, before = getattr(subject.variant, axis.name), getattr(baseline, axis.name)
        rows.append(
            Row((axis.name, axis.show(value), axis.show(before) if value != before else ""))
        )
    columns = (
        Column("axis", "axis"),
        Column("value", "value"),
        Column("baseline", f"where {base} has", tier=1),
    )
    return [Table("axes", "Axes", columns, tuple(rows))]


def _taps_table(subject: Subject) -> Table:
    taps = tap_shapes(subject.trace)
    as_maps = all_maps(taps)
    columns = (
        Column("tap", "tap", Kind.PATH),
        Column("shape", shape_title(as_maps=as_maps), Kind.SHAPE),
        Column("stride", "stride", Kind.EXACT),
        Column("module", "module", Kind.PATH, tier=1),
    )
    rows = tuple(
        Row((tap.name, shape_cell(tap, as_maps=as_maps), stride_cell(tap), tap.module))
        for tap in taps
    )
    return Table("taps", "Taps", columns, rows)


def _heaviest_table(subject: Subject, convention: Convention, figures: dict[str, int]) -> Table:
    """By operations; of a model that does not run, by parameters."""
    rows = module_rows(subject.trace, own_figures(subject.trace), max_depth=DEPTH)
    shown = [name for name in (convention.name, "params") if name in figures]
    columns = [
        column
        for tier, name in enumerate(shown, start=1)
        for column in (
            Column(name, METRICS[name].title, Kind.QUANTITY),
            Column(f"{name}_share", "share", Kind.SHARE, tier=tier),
        )
    ]

    def cells(path: str, _type: str, own: dict[str, int]) -> tuple[Cell, ...]:
        counts = ((own.get(name, 0), figures[name]) for name in shown)
        return (
            path,
            *(cell for count, total in counts for cell in (count, exact_ratio(count, total))),
        )

    heaviest = arrange(rows, Arrangement(DEPTH, "count", HEAVIEST), shown[0], cells)
    note = "(own) is what a module holds or runs beside its children."
    own = any(row.cells[0] == label("", own=True) for row in heaviest)
    columns = [Column("path", "module", Kind.PATH), *columns]
    return Table(
        "modules", "Heaviest modules", tuple(columns), tuple(heaviest), note if own else None
    )
