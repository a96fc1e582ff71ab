"""``ucseg lock``: what is recorded, and what is different from before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter

from ucseg_cli.analysis.comparing.drift import NEWER
from ucseg_cli.analysis.comparing.lock_changes import ModelChange
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.report.document import Kind, Report, Row
from ucseg_cli.report.fields import Field, Output, make_entries, make_table
from ucseg_cli.report.parts.drift_tables import drift_payload, drift_table, rise
from ucseg_cli.units import plural

FIELDS: tuple[Field[ModelChange], ...] = (
    Field("model", "model", attrgetter("model"), output=Output.TABLES),
    Field("name", "model", attrgetter("model"), output=Output.JSON),
    Field("sizes", "sizes", lambda c: ", ".join(c.sizes), tier=1, output=Output.SCREEN),
    Field("sizes", "sizes", lambda change: list(change.sizes), output=Output.JSON),
    Field("state", "state", attrgetter("state")),
    Field(
        "figures",
        "figures that differ",
        lambda change: len(change.drifts or ()),
        Kind.EXACT,
        output=Output.SCREEN,
    ),
)


def lock_report(
    path: str,
    changes: Sequence[ModelChange],
    *,
    accepted: bool,
    dropped: Sequence[str],
    reason: str | None,
) -> Report:
    """Each model with what differs; *accepted* says whether the lock is updated, *reason* why."""
    drifts = [drift for change in changes for drift in change.drifts or ()]
    models: list[ModelChange | Row] = [*changes]
    models += [Row((name, None, "dropped", 0)) for name in dropped]
    tables = [make_table("models", "Models", FIELDS, models)]
    if drifts:
        tables.append(drift_table(drifts, "What differs from the lock before"))
    return Report(
        kind="ucseg.lock",
        title=f"lock {path}",
        conditions={"dtype": "float32", "mode": "eval"},
        tables=tuple(tables),
        summary="".join(_summary(path, changes, dropped, accepted=accepted)),
        notes=tuple(_notes(changes, reason if accepted else None)),
        payload={
            "path": path,
            "models": make_entries(FIELDS, changes),
            "dropped": list(dropped),
            "drift": drift_payload(drifts),
            "verdict": {"status": "pass" if accepted else "fail"},
        },
    )


def _notes(changes: Sequence[ModelChange], reason: str | None) -> Iterator[str]:
    if any(change.state == "extended" for change in changes):
        newer = " and ".join(metric for metric in METRICS if metric in NEWER)
        yield f"An earlier release locked models without {newer}, which are locked from now on."
    if reason is not None and not any(change.raised for change in changes):
        yield "No total is higher than before, so the reason is not kept."


def _summary(
    path: str, changes: Sequence[ModelChange], dropped: Sequence[str], *, accepted: bool
) -> Iterator[str]:
    if not accepted:
        first, *others = (drift for change in changes for drift in change.raised)
        more = f", and {plural(len(others), 'other')}" if others else ""
        yield f'Lock not updated: {rise(first)}{more}. Accept with --reason "…".'
        return
    counts = Counter(change.state for change in changes)
    counts.update({"dropped": len(dropped)} if dropped else {})
    if set(counts) <= {"unchanged"}:
        yield f"{path} is as it was: {plural(len(changes), 'model')} unchanged."
    else:
        yield f"{path} updated: {', '.join(f'{n} {state}' for state, n in counts.items())}."
