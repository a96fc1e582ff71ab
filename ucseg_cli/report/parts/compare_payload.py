"""A comparison for scripts: as JSON and as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ucseg_cli.analysis.comparing.comparison import MODULE_METRICS, Comparison, Delta, ModuleDelta
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.answers.choose.lint import finding_payload
from ucseg_cli.report.document import Column, Kind, Row, Table
from ucseg_cli.report.parts.conditions_header import raw_conditions
from ucseg_cli.report.parts.module_table import label

Comparisons = Sequence[Comparison]


def compare_records(comparisons: Comparisons) -> Table:
    """One row for each figure of each model: totals, and modules with the unchanged ones too."""
    rows = [
        Row(
            (
                each.model.name,
                scope,
                name,
                metric,
                delta.before,
                delta.after,
                delta.delta if delta.known else None,
            )
        )
        for each in comparisons
        for scope, name, figures in (
            ("total", "", each.totals),
            *(("module", label(d.path, own=d.own), d.figures) for d in each.modules),
        )
        for metric, delta in figures.items()
    ]
    columns = ("model", "scope", "name", "metric", "before", "after", "delta")
    kinds = {"before": Kind.QUANTITY, "after": Kind.QUANTITY, "delta": Kind.DELTA}
    return Table(
        "deltas",
        "Deltas",
        tuple(Column(c, c, kinds.get(c, Kind.TEXT)) for c in columns),
        tuple(rows),
    )


def compare_payload(
    comparisons: Comparisons, conditions: Conditions, convention: Convention
) -> dict[str, Any]:
    """Everything that differs, and what does not, in raw integers."""
    return {
        "conditions": raw_conditions([conditions], convention),
        "baseline": comparisons[0].baseline.name,
        "models": [{"name": name, "total": total} for name, total in _model_totals(comparisons)],
        "deltas": [
            {"model": each.model.name, "metric": metric, **_delta(delta)}
            for each in comparisons
            for metric, delta in each.totals.items()
        ],
        "axes": [
            {
                "model": each.model.name,
                "axis": change.axis.name,
                "before": change.before,
                "after": change.after,
            }
            for each in comparisons
            for change in each.axes
        ],
        "modules": [
            _module(each.model.name, module) for each in comparisons for module in each.modules
        ],
        "taps": [
            {
                "model": each.model.name,
                "name": tap.name,
                "changed": tap.changed,
                "before": _tap(tap.before),
                "after": _tap(tap.after),
            }
            for each in comparisons
            for tap in each.taps
        ],
        "lint": _lint_payload(comparisons),
    }


def _model_totals(comparisons: Comparisons) -> list[tuple[str, dict[str, int | None]]]:
    """Every model by name with its totals, the baseline first."""
    first = comparisons[0]
    return [
        (first.baseline.name, {metric: delta.before for metric, delta in first.totals.items()}),
        *(
            (each.model.name, {metric: delta.after for metric, delta in each.totals.items()})
            for each in comparisons
        ),
    ]


def _module(model: str, module: ModuleDelta) -> dict[str, Any]:
    return {
        "model": model,
        "path": module.path,
        "type": module.type,
        "own": module.own,
        "was": module.was,
        "status": module.status,
        **{metric: _delta(module.figures[metric]) for metric in MODULE_METRICS},
    }


def _delta(delta: Delta) -> dict[str, int | None]:
    return {
        "before": delta.before,
        "after": delta.after,
        "delta": delta.delta if delta.known else None,
    }


def _tap(tap: TapShape | None) -> dict[str, Any] | None:
    if tap is None:
        return None
    channels, height, width = tap.map or (None, None, None)
    lengths = {"channels": channels, "height": height, "width": width}
    return {**lengths, "stride": tap.whole_stride, "module": tap.module, "shape": tap.shape}


def _lint_payload(comparisons: Comparisons) -> list[dict[str, Any]]:
    return [
        {"model": each.model.name, "change": change, **finding_payload(finding)}
        for each in comparisons
        for change, findings in (
            ("added", each.lint.added),
            ("removed", each.lint.removed),
            ("changed", [after for _, after in each.lint.altered]),
        )
        for finding in findings
    ]
