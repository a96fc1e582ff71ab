"""``ucseg check``: every limit with its value, margin and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ucseg_cli.analysis.budget import Check
from ucseg_cli.analysis.totals import METRICS, Metric
from ucseg_cli.conditions import Conditions
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table, Unit
from ucseg_cli.report.header import raw_conditions, shown_conditions
from ucseg_cli.units import exact_ratio, format_bytes, format_count, plural

COLUMNS = (
    Column("status", "status", Kind.STATUS),
    Column("variant", "variant"),
    Column("size", "size", tier=1),
    Column("metric", "metric"),
    Column("value", "value", Kind.QUANTITY),
    Column("max", "max", Kind.QUANTITY),
    Column("margin", "margin", Kind.QUANTITY, tier=2),
    Column("used", "used", Kind.SHARE, tier=1),
)


def check_report(checks: Sequence[Check], conditions: Sequence[Conditions]) -> Report:
    """Every check, and a sentence that tallies them and names each excess."""
    failed = [check for check in checks if not check.passed]
    raw = tuple(
        Row((c.status, c.variant, c.size, c.metric, c.value, c.max, c.margin, exact_ratio(c.value, c.max)))
        for c in checks
    )
    return Report(
        kind="ucseg.check",
        title=f"check {', '.join(dict.fromkeys(check.variant for check in checks))}",
        conditions=shown_conditions(conditions),
        tables=(Table("checks", "Limits", COLUMNS, tuple(map(_row, checks))),),
        summary=_summary(checks, failed),
        payload={
            "conditions": raw_conditions(conditions),
            "checks": [_check(check) for check in checks],
            "verdict": {
                "status": "fail" if failed else "pass",
                "passed": len(checks) - len(failed),
                "failed": len(failed),
            },
        },
        records=Table("checks", "Limits", COLUMNS, raw),
    )


def _row(check: Check) -> Row:
    metric = METRICS[check.metric]
    unit = Unit.BYTES if metric.in_bytes else Unit.COUNT
    value, limit = _told_apart(check, metric)
    used = exact_ratio(check.value, check.max)
    return Row((check.status, check.variant, check.size, metric.name, value, limit, check.margin, used), unit=unit)


def _told_apart(check: Check, metric: Metric) -> tuple[Cell, Cell]:
    """Value and limit; written exactly where rounding would make them look equal."""
    write = format_bytes if metric.in_bytes else format_count
    if check.value != check.max and write(check.value) == write(check.max):
        return write(check.value, exact=True), write(check.max, exact=True)
    return check.value, check.max


def _check(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "variant": check.variant,
        "size": check.size,
        "metric": check.metric,
        "value": check.value,
        "max": check.max,
        "margin": check.margin,
        "status": check.status,
    }


def _summary(checks: Sequence[Check], failed: Sequence[Check]) -> str:
    tally = f"{plural(len(checks), 'limit')}: {len(checks) - len(failed)} held, {len(failed)} exceeded"
    return f"{tally}{': ' if failed else ''}{'; '.join(map(_excess, failed))}."


def _excess(check: Check) -> str:
    metric = METRICS[check.metric]
    write = format_bytes if metric.in_bytes else format_count
    value, limit, over = (write(count, exact=True) for count in (check.value, check.max, -check.margin))
    at = f" at {check.size}" if check.size else ""
    return f"{check.variant}{at} has {metric.name} {value}, {over} over its limit of {limit}"
