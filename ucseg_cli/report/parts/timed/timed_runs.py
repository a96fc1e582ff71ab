"""The figures of models that were timed, as a table, as records and for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ucseg_cli.analysis.timing.conclude_timing import interval_text
from ucseg_cli.analysis.timing.latency_limits import LatencyCheck
from ucseg_cli.analysis.timing.samples import quantile
from ucseg_cli.analysis.timing.timing_answer import Run, TimingAnswer
from ucseg_cli.report.document import Kind, Table
from ucseg_cli.report.fields import Field, Fields, Output, make_entry, make_records, make_table
from ucseg_cli.report.parts.timed.time_cells import change_cell, floor_note
from ucseg_cli.report.pictures.scatter import Strip, Strips
from ucseg_cli.units import MISSING, format_duration

UNIT = "ns"
DIGITS = 6
"""Decimals of a ratio in JSON."""
MOST_DOTS = 150
DRAWN = Fraction(98, 100)
"""The share of a model's calls that is drawn, since a few may take many times as long."""


def runs_table(answer: TimingAnswer, title: str = "Time of one call") -> Table:
    """A row for each model, beside the first."""
    fields = _fields(answer)
    table = make_table("latency", title, fields, answer.runs, floor_note(answer))
    return table._replace(picture=_strips(answer))


def run_records(answer: TimingAnswer) -> Table:
    """The same as CSV has it."""
    return make_records("latency", _fields(answer), answer.runs)


def timing_payload(answer: TimingAnswer) -> dict[str, Any]:
    """Everything but the conditions, in whole nanoseconds and ratios."""
    fields = _fields(answer)
    return {
        "baseline": answer.baseline.name,
        "runs": [{**make_entry(fields, run), **_ratio(run)} for run in answer.runs],
        "noise_floor": decimal(answer.noise.floor),
        "drift": decimal(answer.noise.drift),
        "rounds": answer.rounds,
        "seconds": round(answer.seconds[0], 1),
        "machine": _machine(answer),
        "checks": list(map(_check, answer.checks)),
        "troubles": list(answer.troubles),
        "partial": answer.partial,
    }


def decimal(share: Fraction | None) -> float | None:
    """A ratio as JSON has it."""
    return None if share is None else round(float(share), DIGITS)


def _fields(answer: TimingAnswer) -> Fields[Run]:
    files, csv, several = Output.FILES, Output.CSV, bool(answer.others)
    screen = Output.SCREEN if several else Output(0)
    time = Kind.DURATION
    return (
        Field("model", "model", lambda run: run.name, Kind.PATH),
        Field("p50", "p50", lambda run: run.statistics.p50, time),
        Field("p95", "p95", lambda run: run.statistics.p95, time, 1),
        Field("p99", "p99", lambda run: run.statistics.p99, time, 2),
        Field("n", "calls", lambda run: run.statistics.n, Kind.EXACT, 2),
        Field("spread", "spread", lambda run: run.statistics.spread, Kind.RATIO, 3, Output.SCREEN),
        Field("p25", "", lambda run: run.statistics.p25, time, output=files),
        Field("p75", "", lambda run: run.statistics.p75, time, output=files),
        Field("min", "", lambda run: run.statistics.least, time, output=files),
        Field("max", "", lambda run: run.statistics.most, time, output=files),
        Field("first_call", "first call", lambda run: run.samples.first, time, 3),
        Field("warm_up_calls", "", lambda run: run.samples.warm_up_calls, output=files),
        Field("unit", "", lambda _: UNIT, output=files),
        Field("change", f"vs {answer.baseline.name}", change_cell, Kind.CHANGE, output=screen),
        Field("interval", "99% interval", _interval, tier=2, output=screen),
        Field("ratio", "", lambda run: run.ratio, output=csv),
        Field("ratio_low", "", lambda run: run.paired and run.paired.low, output=csv),
        Field("ratio_high", "", lambda run: run.paired and run.paired.high, output=csv),
        Field("verdict", "", lambda run: run.verdict and run.verdict.value, output=files),
    )


def _interval(run: Run) -> str:
    return MISSING if run.paired is None else interval_text(run.paired)


def _ratio(run: Run) -> Mapping[str, Any]:
    """Ratios, for which JSON has no exact numbers."""
    low, high = (run.paired.low, run.paired.high) if run.paired else (None, None)
    return {
        "ratio": decimal(run.ratio),
        "ratio_low": decimal(low),
        "ratio_high": decimal(high),
        "drift": decimal(run.drift),
        "output_difference": run.difference,
    }


def _machine(answer: TimingAnswer) -> Mapping[str, Any]:
    state = answer.state
    return {
        **answer.machine._asdict(),
        "load": decimal(state.load),
        "governor": state.governor,
        "stolen": decimal(state.stolen),
        "throttled": state.throttled,
        "received": decimal(state.received),
    }


def _check(check: LatencyCheck) -> Mapping[str, Any]:
    return {
        "model": check.model,
        "metric": check.limit.metric,
        "value": check.value,
        "max": check.limit.bound,
        "unit": UNIT,
        "status": check.status,
    }


def _strips(answer: TimingAnswer) -> Strips:
    rows = tuple(map(_strip, answer.runs))
    medians = ", ".join(f"{row.name} {format_duration(row.quartiles[1])}" for row in rows)
    return Strips("Time of one call", f"Medians: {medians}.", rows)


def _strip(run: Run) -> Strip:
    """At most MOST_DOTS of its calls, in the order in which they were made."""
    calls = [call for block in run.samples.blocks for call in block.kept]
    most = quantile(sorted(calls), DRAWN)
    drawn = [call for call in calls if call <= most]
    step = -(-len(drawn) // MOST_DOTS)
    statistics = run.statistics
    return Strip(run.name, tuple(drawn[::step]), (statistics.p25, statistics.p50, statistics.p75))
