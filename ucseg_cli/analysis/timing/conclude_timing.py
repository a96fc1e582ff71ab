"""From what was measured to the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from ucseg_cli.analysis.timing.latency_limits import LatencyCheck, LatencyLimit
from ucseg_cli.analysis.timing.noise_floor import (
    TO_LIMIT,
    TO_RANK,
    Noise,
    change_between,
    disagree,
    drift_of,
    floor_of,
    largest_drift,
    verdict_of,
    why_too_noisy,
)
from ucseg_cli.analysis.timing.samples import Interval, Samples, statistics_of
from ucseg_cli.analysis.timing.timing_answer import Measured, Run, TimingAnswer
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.units import MISSING, format_percent, plural

LEAST_ROUNDS = 8
"""Rounds below which a median has no interval of 99%."""


def conclude_timing(
    measured: Measured,
    setup: TimingSetup,
    conditions: Conditions,
    limits: Sequence[LatencyLimit] = (),
) -> TimingAnswer:
    """The figures of each model, how it stands to the baseline, and whether it keeps its limits."""
    baseline, twin, *others = measured.streams
    noise = Noise(floor_of(change_between(baseline, twin)), largest_drift(measured.streams))
    runs = [_run(measured, 0, baseline)]
    for place, samples in enumerate(others, 1):
        paired = change_between(baseline, samples)
        run = _run(measured, place, samples)
        ratio = Fraction(run.statistics.p50, runs[0].statistics.p50)
        verdict = None if noise.floor is None else verdict_of(paired, noise.floor)
        runs.append(run._replace(ratio=ratio, paired=paired, verdict=verdict))
    pairs = product(runs, limits)
    checks = tuple(LatencyCheck(r.name, limit, limit.figure(r.statistics)) for r, limit in pairs)
    rounds = min(len(samples.blocks) for samples in measured.streams)
    troubles = (
        *_too_few(measured, noise, rounds),
        *_too_noisy(measured, noise, runs, checks),
        *_unknown(checks, measured.seconds[1]),
    )
    return TimingAnswer(
        setup=setup,
        conditions=conditions,
        runs=runs,
        noise=noise,
        machine=measured.machine,
        state=measured.state,
        seconds=measured.seconds,
        rounds=rounds,
        troubles=troubles,
        checks=checks,
        modules=measured.modules,
        partial=measured.partial,
    )


def received_share(streams: Sequence[Samples]) -> Fraction | None:
    """The share of a core that all calls got; None where it was not measured."""
    blocks = [block for samples in streams for block in samples.blocks]
    times = [block.received for block in blocks]
    if not blocks or None in times:
        return None
    wall = sum(sum(block.calls) for block in blocks)
    return min(Fraction(sum(time or 0 for time in times), max(wall, 1)), Fraction(1))


def _run(measured: Measured, place: int, samples: Samples) -> Run:
    differences = measured.differences
    return Run(
        measured.names[place],
        samples,
        statistics_of(samples.blocks),
        drift_of(samples),
        difference=differences[place] if differences else None,
    )


def _too_few(measured: Measured, noise: Noise, rounds: int) -> Iterator[str]:
    """Why there is no noise floor, and so no verdict."""
    if noise.floor is None:
        took, limit = measured.seconds
        more = _more_seconds(limit * LEAST_ROUNDS / max(rounds, 1))
        yield (
            f"{plural(rounds, 'round')} in {took:.0f} s are too few for a verdict, which needs "
            f"{LEAST_ROUNDS}: {more}"
        )


def _too_noisy(
    measured: Measured, noise: Noise, runs: Sequence[Run], checks: Sequence[LatencyCheck]
) -> Iterator[str]:
    """Why models cannot be ranked, if not all are, and why no limit on them can be judged."""
    others = runs[1:]
    all_ranked = bool(others) and all(run.is_ranked for run in others)
    to_rank = [] if all_ranked else list(why_too_noisy(noise, measured.state, TO_RANK))
    to_rank += [_disagreement(run) for run in others if disagree(run.ratio, run.paired, noise)]
    to_limit = list(why_too_noisy(noise, measured.state, TO_LIMIT)) if checks else []
    if to_rank:
        what = "to rank models" if others else "to believe a time"
        yield f"this machine is too noisy {what} now: {_listed(to_rank)}"
    elif to_limit:
        yield f"this machine is too noisy to judge limits now: {_listed(to_limit)}"


def _disagreement(run: Run) -> str:
    """How p50s and calls side by side differ: where half of the calls were interrupted."""
    change = format_percent(run.change, signed=True)
    paired = interval_text(run.paired) if run.paired else MISSING
    return f"the p50 of {run.name} differs by {change}, and its calls side by side by {paired}"


def interval_text(paired: Interval) -> str:
    """``-67.3% to -66.1%``."""
    ends = (format_percent(end - 1, signed=True) for end in (paired.low, paired.high))
    return " to ".join(ends)


def _unknown(checks: Sequence[LatencyCheck], seconds: float) -> Iterator[str]:
    """Limits that could not be judged."""
    for limit in dict.fromkeys(check.limit for check in checks if check.value is None):
        yield (
            f"{limit.metric} needs {limit.least_calls} calls of each model: "
            f"{_more_seconds(2 * seconds)}"
        )


def _more_seconds(seconds: float) -> str:
    return f"--seconds {-(-int(seconds + 1) // 10) * 10} gives more"


def _listed(parts: Sequence[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
