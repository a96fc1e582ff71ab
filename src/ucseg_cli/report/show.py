"""``ucseg show``: one model on one screen."""

from __future__ import annotations

from ucseg_cli.analysis.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.module_tree import module_rows
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.taps import tap_shapes
from ucseg_cli.analysis.totals import METRICS, own_figures, totals
from ucseg_cli.conditions import Conditions
from ucseg_cli.report.document import Cell, Column, Highlight, Kind, Report, Row, Table, Unit
from ucseg_cli.report.header import raw_conditions, shown_conditions
from ucseg_cli.report.module_table import Arrangement, arrange, label
from ucseg_cli.settings import Settings
from ucseg_cli.units import exact_ratio, format_count
from ucseg_cli.variants import AXES

HEAVIEST, DEPTH = 6, 2


def show_report(subject: Subject, conditions: Conditions, convention: Convention, settings: Settings) -> Report:
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
        summary=f"{subject.name} has {format_count(figures['params'], exact=True)} parameters and takes "
        f"{format_count(figures[convention.name], exact=True)} {convention.noun}.",
        payload={
            "conditions": raw_conditions([conditions], convention),
            "model": subject.name,
            "total": figures,
            "axes": {axis.name: getattr(subject.variant, axis.name) for axis in AXES} if subject.variant else None,
            "taps": [
                {"name": tap.name, "module": tap.module, "shape": tap.shape, "stride": tap.whole_stride}
                for tap in tap_shapes(subject.trace)
            ],
        },
        notes=(f"`ucseg lint {subject.name}` tells what it wastes, `ucseg compare {subject.name}` why it differs.",),
        highlights=tuple(Highlight(METRICS[name].title, figures[name]) for name in ("params", *CONVENTIONS)),
    )


def _totals_table(figures: dict[str, int]) -> Table:
    rows = tuple(
        Row((metric.title, figures[metric.name]), unit=Unit.BYTES if metric.in_bytes else Unit.COUNT)
        for metric in METRICS.values()
    )
    return Table("totals", "Totals", (Column("metric", "metric"), Column("value", "value", Kind.QUANTITY)), rows)


def _axes_tables(subject: Subject, settings: Settings) -> list[Table]:
    if subject.variant is None:
        return []
    base, baseline = settings.family_baseline
    rows = []
    for axis in AXES:
        value, before = getattr(subject.variant, axis.name), getattr(baseline, axis.name)
        rows.append(Row((axis.name, axis.show(value), axis.show(before) if value != before else "")))
    columns = (
        Column("axis", "axis"),
        Column("value", "value"),
        Column("baseline", f"where {base} has", tier=1),
    )
    return [Table("axes", "Axes", columns, tuple(rows))]


def _taps_table(subject: Subject) -> Table:
    columns = (
        Column("tap", "tap"),
        Column("shape", "C×H×W", Kind.SHAPE),
        Column("stride", "stride", Kind.EXACT),
        Column("module", "module", Kind.PATH, tier=1),
    )
    rows = tuple(Row((tap.name, tap.shape[1:], tap.whole_stride, tap.module)) for tap in tap_shapes(subject.trace))
    return Table("taps", "Taps", columns, rows)


def _heaviest_table(subject: Subject, convention: Convention, figures: dict[str, int]) -> Table:
    rows = module_rows(subject.trace, own_figures(subject.trace), max_depth=DEPTH)
    columns = (
        Column("path", "module", Kind.PATH),
        Column(convention.name, convention.title, Kind.QUANTITY),
        Column("flops_share", "share", Kind.SHARE, tier=1),
        Column("params", "parameters", Kind.QUANTITY),
        Column("params_share", "share", Kind.SHARE, tier=2),
    )

    def cells(path: str, _type: str, own: dict[str, int]) -> tuple[Cell, ...]:
        flops, params = own.get(convention.name, 0), own.get("params", 0)
        return (
            path,
            flops,
            exact_ratio(flops, figures[convention.name]),
            params,
            exact_ratio(params, figures["params"]),
        )

    heaviest = arrange(rows, Arrangement(DEPTH, "count", HEAVIEST), convention.name, cells)
    note = "(own) is what a module holds or runs beside its children."
    own = any(row.cells[0] == label("", own=True) for row in heaviest)
    return Table("modules", "Heaviest modules", columns, tuple(heaviest), note if own else None)
