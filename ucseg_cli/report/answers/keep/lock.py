"""``ucseg lock``: what was written down, and what is different from before."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.analysis.comparing.lock_changes import ModelChange
from ucseg_cli.report.document import Column, Kind, Report, Row, Table
from ucseg_cli.report.parts.drift_tables import describe, drift_payload, drift_table
from ucseg_cli.units import plural

COLUMNS = (
    Column("model", "model"),
    Column("sizes", "sizes", tier=1),
    Column("state", "state"),
    Column("figures", "figures that differ", Kind.EXACT),
)


def lock_report(
    path: str,
    changes: Sequence[ModelChange],
    *,
    accepted: bool,
    dropped: Sequence[str],
    reason: str | None,
) -> Report:
    """Each model with what differs; *accepted* says whether it was written, *reason* why it may be."""
    drifts = [each for change in changes for each in change.drifts or ()]
    rows = tuple(Row((c.model, ", ".join(c.sizes), c.state, len(c.drifts or ()))) for c in changes)
    gone = tuple(Row((name, None, "dropped", 0)) for name in dropped)
    return Report(
        kind="ucseg.lock",
        title=f"lock {path}",
        conditions={"dtype": "float32", "mode": "eval"},
        tables=(
            Table("models", "Models", COLUMNS, (*rows, *gone)),
            *([drift_table(drifts, "What differs from the lock before")] if drifts else []),
        ),
        summary=_summary(path, changes, dropped, accepted=accepted),
        notes=_notes(changes, reason, accepted=accepted),
        payload={
            "path": path,
            "models": [
                {"name": change.model, "sizes": list(change.sizes), "state": change.state}
                for change in changes
            ],
            "dropped": list(dropped),
            "drift": drift_payload(drifts),
            "verdict": {"status": "pass" if accepted else "fail"},
        },
    )


def _notes(
    changes: Sequence[ModelChange], reason: str | None, *, accepted: bool
) -> tuple[str, ...]:
    if not accepted:
        return ('`ucseg lock --reason "…"` accepts it, and keeps the reason.',)
    if reason is not None and not any(change.raised for change in changes):
        return ("No total is higher than before, so that the reason is kept nowhere.",)
    return ()


def _summary(
    path: str, changes: Sequence[ModelChange], dropped: Sequence[str], *, accepted: bool
) -> str:
    raised = [each for change in changes for each in change.raised]
    if not accepted:
        others = f", and {plural(len(raised) - 1, 'other')}" if len(raised) > 1 else ""
        return f"Nothing is written: {raised[0].model} would be higher without a reason: {describe(raised[0])}{others}."
    if not dropped and all(change.state == "unchanged" for change in changes):
        return f"{path} is as it was: {plural(len(changes), 'model')} unchanged."
    counts: dict[str, int] = {}
    for state in (*(change.state for change in changes), *("dropped" for _ in dropped)):
        counts[state] = counts.get(state, 0) + 1
    return f"{path} is written: {', '.join(f'{count} {state}' for state, count in counts.items())}."
