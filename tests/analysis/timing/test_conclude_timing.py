from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from support.made_up_samples import MS, exact, measured, stream
from support.small_trace import TRACE
from ucseg_cli.analysis.timing.conclude_timing import conclude_timing, received_share
from ucseg_cli.analysis.timing.latency_limits import LatencyLimit
from ucseg_cli.analysis.timing.module_shares import time_by_module
from ucseg_cli.analysis.timing.noise_floor import Verdict
from ucseg_cli.analysis.timing.samples import Samples
from ucseg_cli.analysis.timing.timing_answer import TimingAnswer
from ucseg_cli.errors import ExitStatus
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.system.machine import MachineState, Readings, state_between

P95 = LatencyLimit("latency-p95", 90 * MS, "90ms")


def conclude(*streams: Samples, limits: tuple[LatencyLimit, ...] = (), **more: Any) -> TimingAnswer:
    known = measured(*streams, **more)
    return conclude_timing(known, TimingSetup(), Conditions(), limits)


def test_each_model_stands_beside_the_baseline_and_the_twin_is_no_model() -> None:
    answer = conclude(stream(80 * MS), stream(80 * MS, seed=1), stream(40 * MS), stream(160 * MS))
    assert [run.name for run in answer.runs] == ["base", "model1", "model2"]
    base, half, double = answer.runs
    assert (base.ratio, base.paired, base.verdict) == (None, None, None)
    assert (half.verdict, double.verdict) == (Verdict.FASTER, Verdict.SLOWER)
    assert half.ratio == Fraction(half.statistics.p50, base.statistics.p50)
    assert half.change == half.ratio - 1
    assert answer.status == "pass"
    assert answer.exit_status is ExitStatus.OK


def test_a_noise_that_hides_a_difference_is_no_verdict_and_one_that_does_not_is_none() -> None:
    base, twin = stream(80 * MS, noise=0.3), stream(80 * MS, noise=0.3, seed=1)
    near, far = stream(78 * MS, noise=0.3, seed=2), stream(8 * MS, noise=0.3)
    hidden = conclude(base, twin, near)
    assert hidden.noise.floor is not None
    assert hidden.noise.floor > Fraction(1, 10)
    assert "too noisy to rank models now: its noise floor is" in hidden.troubles[0]
    assert hidden.exit_status is ExitStatus.NO_VERDICT
    assert conclude(base, twin, far).troubles == ()
    assert "too noisy to believe a time now" in conclude(base, twin).troubles[0]


def test_seven_rounds_are_too_few_and_it_says_how_long_eight_take() -> None:
    few = [exact(*[80 * MS] * 7)] * 2
    answer = conclude(*few, seconds=(30.2, 30.0))
    assert answer.troubles == (
        "7 rounds in 30 s are too few for a verdict, which needs 8: --seconds 40 gives more",
    )
    assert conclude(*[exact(*[80 * MS] * 8)] * 2).troubles == ()


def test_p50s_that_say_otherwise_than_pairs_are_a_trouble_of_their_own() -> None:
    """Half of the rounds are interrupted, other ones for each model."""
    base = exact(*([10 * MS] * 11 + [30 * MS] * 9))
    twin = base
    other = exact(*([11 * MS] * 9 + [33 * MS] * 11))
    answer = conclude(base, twin, other)
    assert (
        "the p50 of model1 differs by +230.0%, and its calls side by side by" in answer.troubles[0]
    )


def limited(
    limit: LatencyLimit, state: MachineState | None = None, rounds: int = 40
) -> TimingAnswer:
    base, twin = stream(80 * MS, rounds), stream(80 * MS, rounds, seed=1)
    return conclude(base, twin, limits=(limit,), state=state)


def test_a_limit_is_kept_or_exceeded_by_the_last_nanosecond() -> None:
    value = limited(P95).checks[0].value
    assert value is not None
    assert limited(P95._replace(bound=value)).status == "pass"
    failed = limited(P95._replace(bound=value - 1))
    assert (failed.status, failed.exit_status) == ("fail", ExitStatus.GATE_FAILED)
    assert [check.status for check in failed.failed] == ["fail"]


def test_a_limit_needs_enough_calls() -> None:
    answer = limited(P95._replace(metric="latency-p99"))
    assert answer.checks[0].status is None
    assert answer.status == "no verdict"
    assert answer.troubles == (
        "latency-p99 needs 100 calls of each model: --seconds 70 gives more",
    )


def test_a_limit_needs_a_machine_of_its_own_where_a_ranking_does_not() -> None:
    crowded = MachineState(received=Fraction(1, 2))
    answer = limited(P95, crowded)
    assert answer.troubles == (
        "this machine is too noisy to judge limits now: calls got 50.0% of a core, below 90%",
    )
    assert conclude(stream(MS), stream(MS, seed=1), state=crowded).troubles == ()


def test_what_was_interrupted_says_so_before_anything_else() -> None:
    known = measured(stream(MS), stream(MS, seed=1))._replace(partial=True)
    answer = conclude_timing(known, TimingSetup(), Conditions(), [P95._replace(bound=1)])
    assert (answer.status, answer.exit_status) == ("interrupted", ExitStatus.INTERRUPTED)


def test_the_share_of_a_core_is_processor_time_by_wall_time_and_never_above_one() -> None:
    blocks = [Block((10, 10), received=15), Block((20,), received=15)]
    assert received_share([Samples(1, [], blocks)]) == Fraction(30, 40)
    assert received_share([Samples(1, [], [Block((10,), received=11)])]) == 1
    assert received_share([Samples(1, [], [Block((10,))])]) is None
    assert received_share([]) is None


@pytest.mark.parametrize(
    ("before", "after", "stolen", "throttled"),
    [
        (Readings(ticks=(100, 1), throttled=3), Readings(ticks=(200, 11), throttled=5), 0.1, 2),
        (Readings(), Readings(ticks=(200, 11)), None, None),
        (Readings(ticks=(100, 1)), Readings(ticks=(100, 1)), None, None),
        (Readings(throttled=3), Readings(), None, None),
    ],
)
def test_a_state_is_the_difference_of_two_readings(
    before: Readings, after: Readings, stolen: float | None, throttled: int | None
) -> None:
    state = state_between(before, after, None)
    assert (state.stolen and float(state.stolen), state.throttled) == (stolen, throttled)


def test_the_load_is_that_from_before_we_added_to_it() -> None:
    before, after = Readings(load=Fraction(1), governor="powersave"), Readings(load=Fraction(2))
    state = state_between(before, after, None)
    assert (state.load, state.governor) == (Fraction(1), "powersave")


def test_times_of_modules_add_up_even_if_the_trace_lacks_one() -> None:
    times = {"": 5, **{path: 1 for path in TRACE.by_path if path}, "gone.deep": 7}
    own = time_by_module(TRACE, times)
    assert sum(figures["time"] for figures in own.values()) == sum(times.values())
    assert own[""] == {"time": 12}
