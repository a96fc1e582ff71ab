"""The machine that times were measured on, and the sentences about them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ucseg_cli.analysis.timing.latency_limits import METRIC_SHARES, LatencyLimit
from ucseg_cli.analysis.timing.noise_floor import Verdict
from ucseg_cli.analysis.timing.timing_answer import Run, TimingAnswer
from ucseg_cli.facts.choices import EAGER
from ucseg_cli.report.document import Column, Kind, Row, Table
from ucseg_cli.units import (
    MISSING,
    format_bytes,
    format_decimal,
    format_duration,
    format_percent,
    plural,
)

CROWDED = Fraction(9, 10)
"""A share of a core below which other processes have taken part of the time."""
UNTESTED = (
    "Untested: this way of timing a GPU has run on stand-ins for one, and on no real one yet."
)


def machine_table(answer: TimingAnswer) -> Table:
    """Everything known of the machine, and of what it did meanwhile."""
    machine, state = answer.machine, answer.state
    rows = [
        ("processor", machine.cpu or MISSING),
        ("cores", str(machine.cores or MISSING)),
        ("memory", format_bytes(machine.memory)),
        *([("GPU", machine.gpu)] if machine.gpu else []),
        ("load before", MISSING if state.load is None else format_decimal(state.load)),
        ("frequency governor", state.governor or MISSING),
        ("stolen by the host", format_percent(state.stolen)),
        ("slowed down by heat", _times(state.throttled)),
        ("share of a core that calls got", format_percent(state.received)),
        ("drift from first half to second", format_percent(answer.noise.drift, signed=True)),
        ("measured", _effort(answer)),
    ]
    note = "– is what this system does not give." if any(MISSING in row for row in rows) else None
    columns = (Column("figure", "figure"), Column("value", "value", Kind.PROSE))
    return Table("machine", "Machine", columns, tuple(map(Row, rows)), note)


def timing_notes(answer: TimingAnswer) -> Iterator[str]:
    """Sentences that a reader of the figures needs."""
    yield (
        "Random weights, no gradients. Measured anew each time: times are never cached. The first "
        "call of a block is left out."
    )
    if not answer.setup.is_on_cpu:
        yield UNTESTED
    yield from _missing_percentiles(answer)
    differences = [run.difference for run in answer.runs if run.difference is not None]
    if differences:
        yield (
            f"Outputs of {answer.setup.runtime} differ from those of eager mode by at most "
            f"{max(differences):.1e} of the largest number."
        )
    if answer.setup.runtime != EAGER:
        for run in answer.runs:
            if run.difference is None:
                beside = f"so {answer.setup.runtime} was not compared with eager mode"
                yield f"No output of {run.name} is a finite number, {beside}."
    if answer.state.received is not None and answer.state.received < CROWDED:
        share = format_percent(answer.state.received)
        yield f"The calls got {share} of a core: other processes ran beside them."


def timing_sentence(answer: TimingAnswer) -> str:
    """One sentence: who takes how much less time, or why that is unknown."""
    stopped = f"Interrupted after {answer.seconds[0]:.0f} s: " if answer.partial else ""
    if answer.troubles:
        said = "; ".join(answer.troubles)
    elif answer.checks:
        said = _about_limits(answer)
    elif answer.others:
        said = "; ".join(_about(answer, run) for run in answer.others)
    else:
        said = _alone(answer)
    sentence = f"{stopped}{said}."
    return f"{sentence[:1].upper()}{sentence[1:]}" if answer.troubles else sentence


def fastest_sentence(answer: TimingAnswer) -> str:
    """The model that takes the least time of several, and what it saves."""
    ranked = [run for run in answer.others if run.verdict is Verdict.FASTER]
    if answer.troubles or answer.partial:
        return timing_sentence(answer)
    if not ranked:
        floor = format_percent(answer.noise.floor)
        return (
            f"None of them is measurably faster than {answer.baseline.name}: "
            f"the noise floor is {floor}."
        )
    fastest = min(ranked, key=lambda run: run.statistics.p50)
    return f"{_about(answer, fastest)}."


def _times(count: int | None) -> str:
    return MISSING if count is None else plural(count, "time")


def _effort(answer: TimingAnswer) -> str:
    took, _ = answer.seconds
    return f"{plural(answer.rounds, 'round')} of blocks in random order, {took:.1f} s"


def _missing_percentiles(answer: TimingAnswer) -> Iterator[str]:
    """The percentiles that too few calls were measured for."""
    limits = [LatencyLimit(metric, 0, "") for metric in METRIC_SHARES]
    missing = [
        limit
        for limit in limits
        if any(limit.figure(run.statistics) is None for run in answer.runs)
    ]
    if missing:
        named = [limit.metric.partition("-")[2] for limit in missing]
        needs = f"{' and '.join(named)} need{'s' if len(named) == 1 else ''}"
        calls = " and ".join(str(limit.least_calls) for limit in missing)
        more = f"--seconds {round(answer.seconds[1] * 2)} gives more"
        yield f"{needs} {calls} calls of each model: {more}."


def _about(answer: TimingAnswer, run: Run) -> str:
    """A model beside the baseline."""
    floor = format_percent(answer.noise.floor)
    base = answer.baseline.name
    if not run.is_ranked:
        below = "below" if run.verdict is Verdict.SAME else "not clearly above"
        return (
            f"{run.name} and {base} are not ranked: their difference is {below} the noise floor "
            f"of {floor}"
        )
    amount = format_percent(abs(run.change or Fraction()))
    word = "less" if run.verdict is Verdict.FASTER else "more"
    times = (format_duration(one.statistics.p50) for one in (run, answer.baseline))
    return (
        f"{run.name} takes {amount} {word} time than {base} ({' against '.join(times)}); "
        f"the noise floor is {floor}"
    )


def _alone(answer: TimingAnswer) -> str:
    run, threads = answer.baseline, plural(answer.setup.threads, "thread")
    where = f"with {threads}" if answer.setup.is_on_cpu else f"on {answer.machine.gpu}"
    p95 = run.statistics.p95
    most = f", and at most {format_duration(p95)} in 95 of 100 calls" if p95 is not None else ""
    return (
        f"{run.name} at {answer.conditions.at} takes {format_duration(run.statistics.p50)} {where}"
        f"{most}; the noise floor is {format_percent(answer.noise.floor)}"
    )


def _about_limits(answer: TimingAnswer) -> str:
    failed = list(answer.failed)
    count = plural(len(answer.checks), "limit")
    if not failed:
        return f"{count} kept" if len(answer.checks) == 1 else f"All {count} kept"
    worst = max(failed, key=lambda check: Fraction(check.value or 0, check.limit.bound or 1))
    over = format_duration((worst.value or 0) - worst.limit.bound)
    return (
        f"{len(failed)} of {count} exceeded: {worst.model} has {worst.limit.metric} "
        f"{format_duration(worst.value)}, {over} over its limit of {worst.limit.text}"
    )
