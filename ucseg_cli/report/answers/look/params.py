"""``ucseg params``: parameters by module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows, partition
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, own_params, total_params
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.state_dict import StateDict, state_dict_trace
from ucseg_cli.report.document import Column, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.parts.checkpoint_notes import raw_source, shown_source, what_is_special
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import Arrangement, arrange, only_data
from ucseg_cli.units import exact_ratio, format_bytes, format_count, format_percent

Figures = dict[str, int | None]
"""Integers by metric; None for what is not known."""

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


FROM_NAMES = "Which entries are buffers is read from their names; a checkpoint does not say what is trainable, nor the modules' types."


def params_report(subject: Subject, conditions: Conditions, arrangement: Arrangement) -> Report:
    """Parameters of a model by module."""
    return _report(
        subject, arrangement, shown_conditions([conditions]), raw_conditions([conditions])
    )


def state_dict_report(name: str, state: StateDict, arrangement: Arrangement) -> Report:
    """Parameters of a checkpoint by the modules that its names tell."""
    subject = Subject(name, state_dict_trace(state))
    report = _report(subject, arrangement, shown_source(state), raw_source(state), note=FROM_NAMES)
    return report._replace(notes=what_is_special(state))


def _report(
    subject: Subject,
    arrangement: Arrangement,
    shown: Mapping[str, str],
    raw: Mapping[str, Any],
    *,
    note: str | None = None,
) -> Report:
    total: Figures = dict.fromkeys(PARAM_METRICS) | total_params(subject.trace)
    rows = module_rows(subject.trace, own_params(subject.trace), max_depth=arrangement.depth)
    return Report(
        kind="ucseg.params",
        title=f"params {subject.name}",
        conditions=shown,
        tables=(_table(subject, rows, total, arrangement)._replace(note=note),),
        summary=_summary(subject, total, rows),
        payload={
            "conditions": raw,
            "model": subject.name,
            "total": total,
            "modules": [_module(row, total) for row in rows],
        },
        highlights=_highlights(total),
        records=only_data(_table(subject, partition(rows), total, arrangement)),
    )


def _highlights(total: Figures) -> tuple[Highlight, ...]:
    shown = {
        "params": "parameters",
        "trainable": "trainable",
        "buffers": "buffers",
        "bytes": "weights and buffers",
    }
    return tuple(
        Highlight(label, figure, Unit.BYTES if metric == "bytes" else Unit.COUNT)
        for metric, label in shown.items()
        if (figure := total[metric]) is not None
    )


def _table(
    subject: Subject, rows: list[TreeRow], total: Figures, arrangement: Arrangement
) -> Table:
    def cells(path: str, module_type: str, figures: Mapping[str, int]) -> tuple[Any, ...]:
        params, *rest = _known(figures, total).values()
        return (path, module_type, params, exact_ratio(params, total["params"]), *rest)

    sum_row = Row(
        cells("total", subject.trace.modules[0].type, total_params(subject.trace)), role=Role.TOTAL
    )
    rows_shown = (*arrange(rows, arrangement, "params", cells), sum_row)
    return Table("modules", "Parameters by module", COLUMNS, rows_shown)


def _module(row: TreeRow, total: Figures) -> dict[str, Any]:
    return {"path": row.path, "type": row.type, "own": row.own, **_known(row.figures, total)}


def _known(figures: Mapping[str, int], total: Figures) -> Figures:
    """Every metric; of one that is not known of the whole, None."""
    return {
        metric: None if total[metric] is None else figures.get(metric, 0)
        for metric in PARAM_METRICS
    }


def _summary(subject: Subject, total: Figures, rows: list[TreeRow]) -> str:
    count = format_count(total["params"], exact=True)
    frozen = (
        f", {format_count(total['frozen'], exact=True)} of them frozen" if total["frozen"] else ""
    )
    size = format_bytes(total["bytes"])
    heaviest = max(
        (row for row in rows if row.depth == 1 and not row.own),
        key=lambda row: row.figures.get("params", 0),
        default=None,
    )
    if heaviest is None or not total["params"]:
        return f"{subject.name} has {count} parameters{frozen} ({size} with buffers)."
    share = format_percent(exact_ratio(heaviest.figures.get("params", 0), total["params"]))
    return f"{subject.name} has {count} parameters{frozen} ({size} with buffers); {heaviest.path} holds {share} of them."
