"""``ucseg check``: every limit with its value, margin and verdict, and what has drifted from the lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ucseg_cli.analysis.comparing.drift import Drift
from ucseg_cli.analysis.comparing.lock_changes import LockState, is_lowered
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.rules.budget_checks import Check
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Cell, Column, Judgement, Kind, Report, Row, Table, Unit
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.drift_tables import (
    LOCK,
    drift_judgements,
    drift_payload,
    drift_table,
    drifted_from,
)
from ucseg_cli.units import format_bytes, format_count, plural

COLUMNS = (
    Column("status", "status", Kind.STATUS),
    Column("id", "budget", Kind.PATH, tier=1),
    Column("variant", "variant"),
    Column("size", "size", tier=1),
    Column("module", "module", Kind.PATH, tier=2),
    Column("metric", "metric"),
    Column("value", "value", Kind.QUANTITY),
    Column("max", "limit", Kind.QUANTITY),
    Column("margin", "margin", Kind.QUANTITY, tier=2),
    Column("used", "used", Kind.SHARE, tier=1),
)

RECORDS = (
    "status",
    "id",
    "variant",
    "size",
    "module",
    "metric",
    "dtype",
    "value",
    "max",
    "warn",
    "margin",
)


def check_report(
    checks: Sequence[Check], conditions: Sequence[Conditions], lock: LockState | None = None
) -> Report:
    """Every check and every drift, and a sentence that tallies them."""
    failed = [check for check in checks if not check.passed]
    warned = [check for check in checks if check.status == "warn"]
    drifts = lock.drifts if lock else ()
    columns, rows = _columns(checks), [(check, _cells(check)) for check in checks]
    return Report(
        kind="ucseg.check",
        title=f"check {', '.join(dict.fromkeys((*(c.variant for c in checks), *(lock.lines if lock else ()))))}",
        conditions=shown_conditions(conditions),
        tables=(
            *(
                [
                    _table(
                        columns,
                        [
                            Row(_only(columns, _told_apart(*row)), unit=_unit(row[0]))
                            for row in rows
                        ],
                    )
                ]
                if rows
                else []
            ),
            *([drift_table(drifts, f"Drift from {lock.path}")] if lock else []),
        ),
        summary=_summary(checks, failed, warned, lock),
        notes=(
            *(_excess(check) for check in (*failed, *warned) if _needs_words(check, failed)),
            *_lock_notes(lock),
        ),
        payload={
            "conditions": raw_conditions(conditions),
            "checks": [_check(check) for check in checks],
            **({"lock": {"path": lock.path, "drift": drift_payload(drifts)}} if lock else {}),
            "verdict": {
                "status": "fail" if failed or drifts else "warn" if warned else "pass",
                "passed": len(checks) - len(failed) - len(warned),
                "warned": len(warned),
                "failed": len(failed),
            },
        },
        records=_records(checks, drifts),
        judgements=(
            *map(_judgement, checks),
            *(drift_judgements(drifts, lock.path, dict(lock.lines)) if lock else []),
        ),
    )


def _records(checks: Sequence[Check], drifts: Sequence[Drift]) -> Table:
    """A line for each check, and one for each drift with what is locked for its maximum."""
    columns = tuple(Column(key, key) for key in RECORDS)
    judged = (
        (
            c.status,
            c.id,
            c.variant,
            c.size,
            c.module,
            c.metric,
            c.dtype,
            c.value,
            c.max,
            c.warn,
            c.margin,
        )
        for c in checks
    )
    drifted = (
        (
            "fail",
            LOCK,
            d.model,
            d.size,
            d.name or None,
            d.figure,
            None,
            d.after,
            d.before,
            None,
            None,
        )
        for d in drifts
    )
    return Table("checks", "Limits", columns, tuple(Row(cells) for cells in (*judged, *drifted)))


def _table(columns: tuple[Column, ...], rows: Sequence[Row]) -> Table:
    return Table("checks", "Limits", columns, tuple(rows))


def _columns(checks: Sequence[Check]) -> tuple[Column, ...]:
    """Without the names of budgets where all are of the command line, and without modules where none is about one."""
    named, in_modules = any(check.place for check in checks), any(check.module for check in checks)
    return tuple(
        column
        for column in COLUMNS
        if (column.key != "id" or named) and (column.key != "module" or in_modules)
    )


def _only(columns: Sequence[Column], cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return tuple(cell for column, cell in zip(COLUMNS, cells, strict=True) if column in columns)


def _cells(check: Check) -> tuple[Cell, ...]:
    return (
        check.status, check.id, check.variant, check.size, check.module, _metric(check),
        check.value, check.bound, check.bound - check.value, check.used,
    )  # fmt: skip


def _told_apart(check: Check, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The row with value and limit written exactly where rounding would make them look equal."""
    write = _write(check)
    if check.value == check.bound or write(check.value) != write(check.bound):
        return cells
    exact = {"value": write(check.value, exact=True), "max": write(check.bound, exact=True)}
    return tuple(exact.get(column.key, cell) for column, cell in zip(COLUMNS, cells, strict=True))


def _metric(check: Check) -> str:
    title = check.metric if check.place else METRICS[check.metric].name
    return f"{title} ({check.dtype})" if check.dtype else title


def _unit(check: Check) -> Unit:
    return Unit.BYTES if METRICS[check.metric].in_bytes else Unit.COUNT


def _write(check: Check) -> Callable[..., str]:
    return format_bytes if METRICS[check.metric].in_bytes else format_count


def _check(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "variant": check.variant,
        "module": check.module,
        "size": check.size,
        "metric": check.metric,
        "dtype": check.dtype,
        "value": check.value,
        "max": check.max,
        "warn": check.warn,
        "limit": check.bound,
        "baseline": check.baseline,
        "margin": check.margin,
        "status": check.status,
        "message": check.message,
        "file": check.place.path if check.place else None,
        "line": check.place.line if check.place else None,
    }


def _judgement(check: Check) -> Judgement:
    place = check.line_to_edit
    message = "within its limit" if check.status == "pass" else _told(check)
    return Judgement(
        check.id, check.variant, check.status, message, place and place.path, place and place.line,
        check.weight, check.module,
    )  # fmt: skip


def _summary(
    checks: Sequence[Check],
    failed: Sequence[Check],
    warned: Sequence[Check],
    lock: LockState | None,
) -> str:
    sentences = []
    if checks:
        held = len(checks) - len(failed) - len(warned)
        tally = f"{plural(len(checks), 'limit')}: {held} held, {f'{len(warned)} near, ' if warned else ''}{len(failed)} exceeded"
        sentences.append(f"{tally}{f': {_worst(failed)}' if failed else ''}.")
    if lock and lock.drifts:
        sentences.append(f"{drifted_from(lock.drifts, lock.path)}.")
    elif lock:
        sentences.append(f"{plural(len(lock.lines), 'model')} as locked in {lock.path}.")
    return " ".join(sentences)


def _worst(failed: Sequence[Check]) -> str:
    worst = max(failed, key=lambda check: check.weight)
    others = f"; and {plural(len(failed) - 1, 'other')}" if len(failed) > 1 else ""
    return f"{_in_numbers(worst)}{others}"


def _needs_words(check: Check, failed: Sequence[Check]) -> bool:
    """The one failure without a line to edit is told by the summary."""
    return bool(check.place or check.message) or check.status == "warn" or len(failed) > 1


def _excess(check: Check) -> str:
    """What is exceeded, by how much, and the line to edit."""
    edit = f" Edit {check.line_to_edit} if that is meant." if check.line_to_edit else ""
    return f"{check.id}: {_told(check)}{edit}"


def _told(check: Check) -> str:
    message = (check.message or "").strip()
    full_stop = "" if message.endswith((".", "!", "?")) else "."
    return f"{_in_numbers(check)}.{f' {message}{full_stop}' if message else ''}"


def _in_numbers(check: Check) -> str:
    write = _write(check)
    limit = check.max if check.status == "fail" else check.warn
    value, bound, over = (
        write(count, exact=True) for count in (check.value, limit, check.value - (limit or 0))
    )
    at = f" at {check.size}" if check.size else ""
    of = f" in {check.module}" if check.module else ""
    word = "limit" if check.status == "fail" else "warning level"
    base = (
        f" ({check.allowed} on the baseline's {write(check.baseline, exact=True)})"
        if check.baseline is not None
        else ""
    )
    return f"{check.variant}{at} has {_metric(check)} {value}{of}, {over} over its {word} of {bound}{base}"


def _lock_notes(lock: LockState | None) -> tuple[str, ...]:
    if lock is None or not lock.drifts:
        return ()
    drifts, models = lock.drifts, dict.fromkeys(each.model for each in lock.drifts)
    since = tuple(
        f"{model} was locked on {lock.since[model]}, at {lock.path}:{lock.lines[model]}."
        if model in lock.since
        else f"{model} is in a budget and not in the lock: `ucseg lock {model}`."
        for model in models
    )
    if any(each.raised for each in drifts):
        return (*since, '`ucseg lock --reason "…"` accepts what is higher, and keeps the reason.')
    if not lock.since.keys() & models.keys():
        return since
    return (
        *since,
        f"`ucseg lock` accepts what is {'lower' if is_lowered(drifts) else 'different'}.",
    )
