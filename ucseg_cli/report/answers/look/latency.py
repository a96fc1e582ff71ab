"""``ucseg latency``: measured time, its noise floor, and the machine that it was measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.timing.latency_limits import LatencyCheck
from ucseg_cli.analysis.timing.module_shares import TIME, time_by_module
from ucseg_cli.analysis.timing.timing_answer import TimingAnswer
from ucseg_cli.report.document import Highlight, Kind, Report, Table, Unit
from ucseg_cli.report.fields import Field, Fields, make_entry, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import PLACE, Arrangement, module_table, share_of
from ucseg_cli.report.parts.timed.timed_runs import (
    decimal,
    run_records,
    runs_table,
    timing_payload,
)
from ucseg_cli.report.parts.timed.timing_notes import (
    machine_table,
    timing_notes,
    timing_sentence,
)


def _used(check: LatencyCheck) -> Fraction | None:
    if check.value is None or not check.limit.bound:
        return None
    return Fraction(check.value, check.limit.bound)


CHECKS: Fields[LatencyCheck] = (
    Field("status", "status", lambda check: check.status, Kind.STATUS),
    Field("model", "model", lambda check: check.model, Kind.PATH),
    Field("metric", "metric", lambda check: check.limit.metric),
    Field("value", "value", lambda check: check.value, Kind.DURATION),
    Field("limit", "limit", lambda check: check.limit.bound, Kind.DURATION),
    Field("used", "used", _used, Kind.SHARE, 1),
)


def latency_report(
    answer: TimingAnswer, subjects: Sequence[Subject], arrangement: Arrangement, on: str | None
) -> Report:
    """The times of models; *on* is the name that the configuration has for this machine."""
    names = [run.name for run in answer.runs]
    setup = answer.setup
    shown = {
        **shown_conditions([answer.conditions]),
        **({"dtype": setup.dtype} if setup.dtype else {}),
        "device": setup.shown_device if setup.is_on_cpu else setup.device,
        "runtime": setup.shown_runtime,
        **({"on": on} if on else {}),
    }
    raw = {
        **raw_conditions([answer.conditions]),
        **({"dtype": setup.dtype} if setup.dtype else {}),
        "device": setup.device,
        "threads": setup.threads,
        "runtime": setup.runtime,
        "cuda_graph": setup.graph,
        "on": on,
    }
    return Report(
        kind="ucseg.latency",
        title=f"latency {', '.join(names)}",
        conditions=shown,
        tables=tuple(_tables(answer, subjects, arrangement)),
        summary=timing_sentence(answer),
        payload={
            "conditions": raw,
            **timing_payload(answer),
            "modules": list(_modules_payload(answer, subjects, arrangement)),
            "verdict": {"status": answer.status},
        },
        records=run_records(answer),
        highlights=tuple(_highlights(answer)),
        notes=tuple(timing_notes(answer)),
    )


def _tables(
    answer: TimingAnswer, subjects: Sequence[Subject], arrangement: Arrangement
) -> Iterator[Table]:
    if answer.checks:
        yield make_table("checks", "Limits", CHECKS, answer.checks)
    yield runs_table(answer)
    for subject, rows, total in _module_rows(answer, subjects, arrangement):
        fields = _module_fields(total)
        title = f"Time by module, {subject.name}"
        yield module_table(title, fields, rows, arrangement, TIME, total)
    yield machine_table(answer)


def _module_rows(
    answer: TimingAnswer, subjects: Sequence[Subject], arrangement: Arrangement
) -> Iterator[tuple[Subject, list[TreeRow], TreeRow]]:
    """The tree of each model whose modules were timed, and its sum."""
    for subject, times in zip(subjects, answer.modules, strict=False):
        own = time_by_module(subject.trace, times)
        rows = module_rows(subject.trace, own, max_depth=arrangement.depth)
        whole = {TIME: sum(times.values())}
        yield subject, rows, TreeRow("total", subject.trace.modules[0].type, 1, whole)


def _module_fields(total: TreeRow) -> Fields[TreeRow]:
    share = share_of(TIME, total.figures[TIME])
    return [*PLACE, Field("share", "share of time", share, Kind.SHARE)]


def _modules_payload(
    answer: TimingAnswer, subjects: Sequence[Subject], arrangement: Arrangement
) -> Iterator[Mapping[str, Any]]:
    """Each module with its share; of a time that a clock on each module has made longer."""
    for subject, rows, total in _module_rows(answer, subjects, arrangement):
        whole = max(total.figures[TIME], 1)
        for row in rows:
            share = decimal(Fraction(row.figures.get(TIME, 0), whole))
            yield {"model": subject.name, **make_entry(PLACE, row), "share": share}


def _highlights(answer: TimingAnswer) -> Iterator[Highlight]:
    for run in answer.runs:
        change = run.change if run.is_ranked else None
        yield Highlight(f"p50, {run.name}", run.statistics.p50, Unit.TIME, change)
