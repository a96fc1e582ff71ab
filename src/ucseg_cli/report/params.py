"""``ucseg params``: parameters by module."""

from __future__ import annotations

from typing import Any

from ucseg_cli.analysis.module_tree import TreeRow, module_rows, partition
from ucseg_cli.analysis.params import PARAM_METRICS, own_params, total_params
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.conditions import Conditions
from ucseg_cli.report.document import Column, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.header import raw_conditions, shown_conditions
from ucseg_cli.report.module_table import Arrangement, arrange, only_data
from ucseg_cli.units import exact_ratio, format_bytes, format_count, format_percent

COLUMNS = (
    Column("path", "module", Kind.PATH),
    Column("type", "type", Kind.TEXT, tier=2),
    Column("params", "parameters", Kind.QUANTITY),
    Column("share", "share", Kind.SHARE, tier=1),
    Column("trainable", "trainable", Kind.QUANTITY, tier=3),
    Column("frozen", "frozen", Kind.QUANTITY, tier=3),
    Column("buffers", "buffers", Kind.QUANTITY, tier=3),
    Column("bytes", "bytes", Kind.BYTES, tier=2),
)


def params_report(subject: Subject, conditions: Conditions, arrangement: Arrangement) -> Report:
    """Parameters of a model by module."""
    total = total_params(subject.trace)
    rows = module_rows(subject.trace, own_params(subject.trace), max_depth=arrangement.depth)
    return Report(
        kind="ucseg.params",
        title=f"params {subject.name}",
        conditions=shown_conditions([conditions]),
        tables=(_table(subject, rows, total, arrangement),),
        summary=_summary(subject, total, rows),
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "total": total,
            "modules": [_module(row) for row in rows],
        },
        highlights=(
            Highlight("parameters", total["params"]),
            Highlight("trainable", total["trainable"]),
            Highlight("buffers", total["buffers"]),
            Highlight("weights and buffers", total["bytes"], Unit.BYTES),
        ),
        records=only_data(_table(subject, partition(rows), total, arrangement)),
    )


def _table(subject: Subject, rows: list[TreeRow], total: dict[str, int], arrangement: Arrangement) -> Table:
    def cells(path: str, module_type: str, figures: dict[str, int]) -> tuple[Any, ...]:
        params = figures.get("params", 0)
        rest = (figures.get(metric, 0) for metric in PARAM_METRICS[1:])
        return (path, module_type, params, exact_ratio(params, total["params"]), *rest)

    sum_row = Row(cells("total", subject.trace.modules[0].type, total), role=Role.TOTAL)
    rows_shown = (*arrange(rows, arrangement, "params", cells), sum_row)
    return Table("modules", "Parameters by module", COLUMNS, rows_shown)


def _module(row: TreeRow) -> dict[str, Any]:
    return {
        "path": row.path,
        "type": row.type,
        "own": row.own,
        **{metric: row.figures.get(metric, 0) for metric in PARAM_METRICS},
    }


def _summary(subject: Subject, total: dict[str, int], rows: list[TreeRow]) -> str:
    count = format_count(total["params"], exact=True)
    frozen = f", {format_count(total['frozen'], exact=True)} of them frozen" if total["frozen"] else ""
    size = format_bytes(total["bytes"])
    heaviest = max((row for row in rows if row.depth == 1), key=lambda row: row.figures.get("params", 0), default=None)
    if heaviest is None or not total["params"]:
        return f"{subject.name} has {count} parameters{frozen} ({size} with buffers)."
    share = format_percent(exact_ratio(heaviest.figures.get("params", 0), total["params"]))
    return (
        f"{subject.name} has {count} parameters{frozen} ({size} with buffers); {heaviest.path} holds {share} of them."
    )
