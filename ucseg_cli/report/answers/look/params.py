"""``ucseg params``: parameters by module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, own_params, total_params
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.state_dict import StateDict, state_dict_trace
from ucseg_cli.report.document import Highlight, Kind, Report, Unit
from ucseg_cli.report.fields import Field, make_entries
from ucseg_cli.report.parts.checkpoint_notes import checkpoint_notes, raw_source, shown_source
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import (
    PLACE,
    Arrangement,
    count_of,
    module_records,
    module_table,
    share_of,
)
from ucseg_cli.units import exact_ratio, format_bytes, format_count, format_percent

if TYPE_CHECKING:
    from ucseg_cli.facts.trace import Trace
    from ucseg_cli.report.pictures.picture import Picture

Figures = dict[str, int | None]
"""Integers by metric; None for what is not known."""

FROM_NAMES = (
    "Which entries are buffers is read from their names; "
    "a checkpoint does not say what is trainable, nor the modules' types."
)


def params_report(subject: Subject, conditions: Conditions, arrangement: Arrangement) -> Report:
    """Parameters of a model by module."""
    shown, raw = shown_conditions([conditions]), raw_conditions([conditions])
    return _report(subject, arrangement, shown, raw)


def state_dict_report(name: str, state: StateDict, arrangement: Arrangement) -> Report:
    """Parameters of a checkpoint by the modules that its names show."""
    subject = Subject(name, state_dict_trace(state))
    report = _report(subject, arrangement, shown_source(state), raw_source(state))
    table = report.tables[0]._replace(note=FROM_NAMES)
    return report._replace(tables=(table,), notes=checkpoint_notes(state))


def _report(
    subject: Subject, arrangement: Arrangement, shown: Mapping[str, str], raw: Mapping[str, Any]
) -> Report:
    figures = total_params(subject.trace)
    total: Figures = dict.fromkeys(PARAM_METRICS) | figures
    rows = module_rows(subject.trace, own_params(subject.trace), max_depth=arrangement.depth)
    sum_row = TreeRow("total", subject.trace.modules[0].type, 1, figures)
    fields = _fields(total)
    title = "Parameters by module"
    return Report(
        kind="ucseg.params",
        title=f"params {subject.name}",
        conditions=shown,
        tables=(module_table(title, fields, rows, arrangement, "params", sum_row),),
        summary=_summary(subject, total, rows),
        payload={
            "conditions": raw,
            "model": subject.name,
            "total": total,
            "modules": make_entries(fields, rows),
        },
        highlights=_highlights(total),
        pictures=lambda: _icicle(subject.trace),
        records=module_records(fields, rows, arrangement, "params"),
    )


def _icicle(trace: Trace) -> tuple[Picture, ...]:
    # only a format that draws needs it
    from ucseg_cli.report.parts.drawn.module_icicle import Measured, module_icicles

    return module_icicles(trace, own_params(trace), Measured("params", "Parameters", "parameters"))


def _fields(total: Figures) -> list[Field[TreeRow]]:
    """Every metric; None where it is not known of the whole."""

    def count(metric: str) -> Callable[[TreeRow], int | None]:
        return count_of(metric) if total[metric] is not None else lambda _: None

    share = share_of("params", total["params"])
    rest = ("trainable", "frozen", "buffers")
    return [
        *PLACE,
        Field("params", "parameters", count("params"), Kind.QUANTITY),
        Field("share", "share", share, Kind.SHARE, tier=1),
        *(Field(metric, metric, count(metric), Kind.QUANTITY, 3) for metric in rest),
        Field("bytes", "bytes", count("bytes"), Kind.BYTES, tier=2),
    ]


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


def _summary(subject: Subject, total: Figures, rows: Sequence[TreeRow]) -> str:
    count, size = format_count(total["params"], exact=True), format_bytes(total["bytes"])
    frozen = format_count(total["frozen"], exact=True)
    of_them = f", {frozen} of them frozen" if total["frozen"] else ""
    has = f"{subject.name} has {count} parameters{of_them} ({size} with buffers)"
    children = [row for row in rows if row.depth == 1 and not row.own]
    if not children or not total["params"]:
        return f"{has}."
    heaviest = max(children, key=count_of("params"))
    share = format_percent(exact_ratio(count_of("params")(heaviest), total["params"]))
    return f"{has}; {share} of them are in {heaviest.path}."
