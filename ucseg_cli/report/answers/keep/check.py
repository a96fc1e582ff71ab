"""``ucseg check``: every limit with its value and verdict, and what has drifted from the lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

from ucseg_cli.analysis.comparing.drift import Drift
from ucseg_cli.analysis.comparing.lock_changes import LockState, is_lowered
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.analysis.rules.budget_checks import Check
from ucseg_cli.facts.budget import LOCK_ID
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.answers.keep.checked_figures import (
    figure_notes,
    figure_sentence,
    figure_summary,
    figure_table,
    noun_of,
    writer_of,
)
from ucseg_cli.report.document import Cell, Judgement, Kind, Report, Row, Table, Unit
from ucseg_cli.report.fields import Field, Output, make_entries, make_records, make_row, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.drift_tables import (
    drift_judgements,
    drift_payload,
    drift_table,
    drifted_from,
)
from ucseg_cli.units import plural


def check_report(
    checks: Sequence[Check], conditions: Sequence[Conditions], lock: LockState | None = None
) -> Report:
    """Every check and every drift, and a sentence that tallies them."""
    limits = [check for check in checks if check.figure is None]
    figures = [check for check in checks if check.figure is not None]
    failed = [check for check in checks if check.status == "fail"]
    unknown = [check for check in checks if check.status == "error"]
    warned = [check for check in checks if check.status == "warn"]
    drifts = lock.drifts if lock else ()
    names = dict.fromkeys((*(check.variant for check in checks), *(lock.lines if lock else ())))
    tables = [_limits(limits)] if limits else []
    if figures:
        tables.append(figure_table(figures))
    payload = {"conditions": raw_conditions(conditions), "checks": make_entries(FIELDS, checks)}
    judgements = [*map(_judgement, checks)]
    if lock:
        tables.append(drift_table(drifts, f"Drift from {lock.path}"))
        payload["lock"] = {"path": lock.path, "drift": drift_payload(drifts)}
        judgements += drift_judgements(drifts, lock.path, dict(lock.lines))
    payload["verdict"] = {
        "status": _verdict(failed, unknown, warned, drifts),
        "passed": sum(check.status == "pass" for check in checks),
        "new": sum(check.status == "new" for check in checks),
        "warned": len(warned),
        "failed": len(failed),
        "unknown": len(unknown),
    }
    return Report(
        kind="ucseg.check",
        title=f"check {', '.join(names)}",
        conditions=shown_conditions(conditions),
        tables=tuple(tables),
        summary=" ".join((*_summary(limits, lock), *figure_summary(figures))),
        notes=(
            *_limit_notes(limits),
            *_new_notes(limits),
            *_unknown_notes(unknown),
            *_lock_notes(lock),
            *figure_notes(figures),
        ),
        payload=payload,
        records=_records(checks, drifts),
        judgements=tuple(judgements),
    )


def _verdict(
    failed: Sequence[Check],
    unknown: Sequence[Check],
    warned: Sequence[Check],
    drifts: Sequence[Drift],
) -> str:
    if unknown:
        return "error"
    return "fail" if failed or drifts else "warn" if warned else "pass"


# Limits


def _metric(check: Check) -> str:
    return f"{check.metric} ({check.dtype})" if check.dtype else check.metric


def _distinct(check: Check, count: int | None) -> Cell:
    """Value and limit are exact if rounding would make them look equal."""
    write = writer_of(check)
    alike = check.value != check.bound and write(check.value) == write(check.bound)
    return write(count, exact=True) if alike and count is not None else count


FIELDS: tuple[Field[Check], ...] = (
    Field("status", "status", attrgetter("status"), Kind.STATUS),
    Field("id", "budget", attrgetter("id"), Kind.PATH, 1),
    Field("variant", "variant", attrgetter("variant")),
    Field("size", "size", attrgetter("size"), tier=1),
    Field("module", "module", attrgetter("module"), Kind.PATH, 2),
    Field("metric", "metric", _metric, output=Output.SCREEN),
    Field("metric", "metric", attrgetter("metric"), output=Output.FILES),
    Field("dtype", "dtype", attrgetter("dtype"), output=Output.FILES),
    Field("value", "value", lambda c: _distinct(c, c.value), Kind.QUANTITY, output=Output.SCREEN),
    Field("value", "value", attrgetter("value"), output=Output.FILES),
    Field("max", "max", attrgetter("max"), output=Output.FILES),
    Field("warn", "warn", attrgetter("warn"), output=Output.FILES),
    Field("limit", "limit", lambda c: _distinct(c, c.bound), Kind.QUANTITY, output=Output.SCREEN),
    Field("limit", "limit", attrgetter("bound"), output=Output.JSON),
    Field("margin", "margin", attrgetter("margin"), Kind.QUANTITY, 2),
    Field("used", "used", attrgetter("used"), Kind.SHARE, output=Output.SCREEN),
    Field("baseline", "baseline", attrgetter("baseline"), output=Output.JSON),
    Field("new_since", "", attrgetter("new_since"), output=Output.JSON),
    Field("message", "message", attrgetter("message"), output=Output.JSON),
    Field("failure", "", lambda check: check.failure and check.failure.what, output=Output.JSON),
    Field("file", "file", lambda check: check.place and check.place.path, output=Output.JSON),
    Field("line", "line", lambda check: check.place and check.place.line, output=Output.JSON),
    Field("written", "written", attrgetter("written"), output=Output.FILES),
    Field("replaced", "replaced", attrgetter("replaced"), output=Output.JSON),
)


def _limits(checks: Sequence[Check]) -> Table:
    """Without names if no limit has one, and without modules if none is about one."""
    empty = {"id"} if not any(check.place for check in checks) else set()
    empty |= {"module"} if not any(check.module for check in checks) else set()
    shown = [field for field in FIELDS if field.key not in empty]
    if "id" not in empty:  # which names the size, too
        shown = [field._replace(tier=2) if field.key == "size" else field for field in shown]
    units = {True: Unit.BYTES, False: Unit.COUNT}
    rows = (
        make_row(shown, check, unit=units[EVERY_METRIC[check.metric].in_bytes]) for check in checks
    )
    return make_table("checks", "Limits", shown, rows)


def _records(checks: Sequence[Check], drifts: Sequence[Drift]) -> Table:
    """A line for each check, and one for each drift with what is locked as its maximum."""
    records = make_records("checks", FIELDS, checks)
    rows = []
    for drift in drifts:
        cells = {
            "status": "fail",
            "id": LOCK_ID,
            "variant": drift.model,
            "size": drift.size,
            "module": drift.name or None,
            "metric": drift.figure,
            "value": drift.after,
            "max": drift.before,
        }
        rows.append(Row(tuple(cells.get(column.key) for column in records.columns)))
    return records._replace(rows=(*records.rows, *rows))


def _judgement(check: Check) -> Judgement:
    place = check.line_to_edit
    passes = "within its limit" if check.figure is None else "the figure is right"
    message = passes if check.status == "pass" else _sentence(check)
    return Judgement(
        name=check.id,
        group=check.variant,
        status={"error": "fail", "new": "pass"}.get(check.status, check.status),
        message=message if check.new_since is None else f"{_new(check)}.",
        path=place and place.path,
        line=place and place.line,
        weight=check.weight,
        module=check.module,
    )


# Sentences


def _summary(limits: Sequence[Check], lock: LockState | None) -> Iterator[str]:
    failed = [check for check in limits if check.status == "fail"]
    unknown = [check for check in limits if check.status == "error"]
    warned = [check for check in limits if check.status == "warn"]
    if limits:
        near = f", {len(warned)} near" if warned else ""
        new = sum(check.new_since is not None for check in limits)
        near += f", {new} new" if new else ""
        tally = f"{len(failed)} of {len(limits)} limits exceeded{near}"
        yield f"{tally}{f': {_worst(failed)}' if failed else ''}."
    if unknown:
        models = ", ".join(dict.fromkeys(check.variant for check in unknown))
        yield f"{plural(len(unknown), 'limit')} could not be checked, of {models}."
    if lock and lock.drifts:
        yield f"{drifted_from(lock.drifts, lock.path)}."
    elif lock:
        yield f"{plural(len(lock.lines), 'model')} as locked in {lock.path}."


def _worst(failed: Sequence[Check]) -> str:
    others = f"; and {plural(len(failed) - 1, 'other')}" if len(failed) > 1 else ""
    return _in_numbers(max(failed, key=attrgetter("weight"))) + others


def _limit_notes(limits: Sequence[Check]) -> Iterator[str]:
    """Each excess with the line to edit."""
    failed = [check for check in limits if check.status == "fail"]
    warned = [check for check in limits if check.status == "warn"]
    for check in (*failed, *warned):
        word = "limit" if check.status == "fail" else "warning level"
        edit = f" If this is intended, raise the {word} at {check.line_to_edit}."
        # the summary has said enough of a single limit of the command line
        if check.place or check.message or check.status == "warn" or len(failed) > 1:
            yield f"{check.id}: {_sentence(check)}{edit if check.line_to_edit else ''}"


def _new(check: Check) -> str:
    thing = f"{check.module} of {check.variant}" if check.module else check.variant
    return f"{thing} is new since {check.new_since}, so no limit can be worked out from it"


def _new_notes(checks: Sequence[Check]) -> Iterator[str]:
    """Each model that has no baseline yet, once."""
    for sentence in dict.fromkeys(_new(check) for check in checks if check.new_since is not None):
        yield f"{sentence}."


def _unknown_notes(unknown: Sequence[Check]) -> Iterator[str]:
    """Why a value is missing, once for all limits of one model."""
    ids: dict[str, list[str]] = {}
    for check in unknown:
        ids.setdefault(_sentence(check), []).append(check.id)
    for reason, names in ids.items():
        yield f"{', '.join(names)}: {reason}"


def _sentence(check: Check) -> str:
    """The excess, and the budget's own message; why the value is missing if it is."""
    if check.failure is not None:
        more = (*check.failure.notes, *filter(None, [check.failure.help]))
        return ". ".join((check.failure.what, *(one[:1].upper() + one[1:] for one in more))) + "."
    if check.figure is not None:
        return figure_sentence(check)
    message = (check.message or "").strip()
    full_stop = "" if message.endswith((".", "!", "?")) else "."
    return f"{_in_numbers(check)}.{f' {message}{full_stop}' if message else ''}"


def _in_numbers(check: Check) -> str:
    write, is_failure = writer_of(check), check.status == "fail"
    limit, had = (check.max if is_failure else check.warn) or 0, check.value or 0
    value, bound, over = (write(count, exact=True) for count in (had, limit, had - limit))
    at = f" at {check.size}" if check.size else ""
    place = f" in {check.module}" if check.module else ""
    word = "limit" if is_failure else "warning level"
    baseline = write(check.baseline, exact=True)
    base = f" ({check.allowed} on the baseline's {baseline})" if check.allowed else ""
    has = f"{check.variant}{at} has {value} {noun_of(check)}{place}"
    return f"{has}, {over} over its {word} of {bound}{base}"


def _lock_notes(lock: LockState | None) -> Iterator[str]:
    """When each model was locked, and how to accept what it is now."""
    if lock is None or not lock.drifts:
        return
    models = dict.fromkeys(drift.model for drift in lock.drifts)
    for model in models:
        if model in lock.since:
            yield f"{model} was locked on {lock.since[model]}, at {lock.path}:{lock.lines[model]}."
        else:
            yield f"{model} is in a budget but not locked: `ucseg lock {model}`."
    if any(drift.raised for drift in lock.drifts):
        yield 'Higher totals need a reason: `ucseg lock --reason "…"` accepts them.'
    elif lock.since.keys() & models.keys():
        how = "lower" if is_lowered(lock.drifts) else "different"
        yield f"`ucseg lock` accepts what is {how}."
