from __future__ import annotations

from fractions import Fraction

import pytest

from support.made_up_samples import MS, exact, stream
from ucseg_cli.analysis.timing.noise_floor import (
    LEAST_FLOOR,
    TO_LIMIT,
    TO_RANK,
    Bounds,
    Noise,
    Verdict,
    change_between,
    disagree,
    drift_of,
    floor_of,
    largest_drift,
    verdict_of,
    why_too_noisy,
)
from ucseg_cli.analysis.timing.samples import Interval
from ucseg_cli.system.machine import MachineState

FLOOR = Fraction(2, 100)


def interval(low: str, high: str) -> Interval:
    ends = Fraction(low), Fraction(high)
    return Interval(ends[0], (ends[0] + ends[1]) / 2, ends[1])


def test_a_change_is_a_ratio_round_by_round_so_drift_of_both_cancels_out() -> None:
    steps = range(1, 21)
    base = exact(*(100 * step for step in steps))
    double = exact(*(200 * step for step in steps))
    assert change_between(base, double) == Interval(*[Fraction(2)] * 3)


def test_rounds_that_one_of_them_lacks_are_left_out() -> None:
    found = change_between(exact(*[10] * 9), exact(*[20] * 8))
    assert found == Interval(*[Fraction(2)] * 3)
    assert change_between(exact(*[10] * 9), exact(*[20] * 7)) is None


def test_the_floor_is_the_far_end_of_the_baseline_beside_itself() -> None:
    assert floor_of(interval("0.99", "1.05")) == Fraction(5, 100)
    assert floor_of(interval("0.8", "1.05")) == Fraction(1, 4)
    assert floor_of(None) is None


def test_the_floor_is_never_below_what_two_processes_of_one_model_differ_by() -> None:
    assert floor_of(interval("1", "1")) == LEAST_FLOOR == FLOOR
    assert floor_of(interval("1", "1.021")) == Fraction(21, 1000)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        ("1.021", "1.2", Verdict.SLOWER),
        ("1.02", "1.2", Verdict.OPEN),
        ("0.5", "0.98", Verdict.FASTER),
        ("0.5", "0.981", Verdict.OPEN),
        ("0.99", "1.02", Verdict.SAME),
        ("0.99", "1.0201", Verdict.OPEN),
        ("0.98", "1.01", Verdict.OPEN),
        ("0.5", "2", Verdict.OPEN),
    ],
)
def test_a_model_is_ranked_only_if_its_whole_interval_lies_beyond_the_floor(
    low: str, high: str, verdict: Verdict
) -> None:
    assert verdict_of(interval(low, high), FLOOR) is verdict


def test_without_an_interval_nothing_is_decided() -> None:
    assert verdict_of(None, FLOOR) is Verdict.OPEN


def test_a_model_beside_itself_is_not_ranked_however_noisy_the_machine_is() -> None:
    for noise in (0.005, 0.05, 0.3):
        for seed in range(0, 60, 3):
            streams = [stream(80 * MS, noise=noise, seed=seed + n) for n in range(3)]
            floor = floor_of(change_between(*streams[:2]))
            assert floor is not None
            verdict = verdict_of(change_between(streams[0], streams[2]), floor)
            assert verdict in {Verdict.SAME, Verdict.OPEN}


def test_half_the_time_is_seen_through_noise_of_a_fifth_and_drift_of_a_half() -> None:
    for seed in range(20):
        base, twin = (stream(80 * MS, noise=0.2, seed=seed + n, drift=0.5) for n in (0, 50))
        half = stream(40 * MS, noise=0.2, seed=seed, drift=0.5)
        floor = floor_of(change_between(base, twin))
        assert floor is not None
        assert verdict_of(change_between(base, half), floor) is Verdict.FASTER


def test_drift_is_by_how_much_the_second_half_differs() -> None:
    assert drift_of(exact(100, 100, 120, 120)) == Fraction(1, 5)
    assert drift_of(exact(100)) is None
    assert largest_drift([exact(100, 101), exact(100, 80), exact(1)]) == Fraction(-1, 5)
    assert largest_drift([exact(1)]) is None


@pytest.mark.parametrize(
    ("ratio", "other"),
    [("0.971", False), ("0.970", True), ("1.040", False), ("1.041", True)],
)
def test_p50s_disagree_with_pairs_if_they_lie_beyond_the_interval_and_the_floor(
    ratio: str, *, other: bool
) -> None:
    noise = Noise(FLOOR, Fraction())
    assert disagree(Fraction(ratio), interval("0.99", "1.02"), noise) is other
    assert not disagree(Fraction(ratio), None, noise)
    assert not disagree(None, interval("0.99", "1.02"), noise)


@pytest.mark.parametrize("bounds", [TO_RANK, TO_LIMIT])
def test_each_kind_of_noise_is_reported_beyond_its_bound_and_not_at_it(
    bounds: Bounds,
) -> None:
    least = bounds.received
    at_it = Noise(bounds.floor, -bounds.drift)
    state = MachineState(stolen=bounds.stolen, received=least)
    assert list(why_too_noisy(at_it, state, bounds)) == []
    more = Fraction(1, 1000)
    beyond = Noise(bounds.floor + more, -bounds.drift - more)
    below = None if least is None else least - more
    worse = MachineState(stolen=bounds.stolen + more, received=below)
    found = " ".join(why_too_noisy(beyond, worse, bounds))
    for word in ("noise floor", "drifted by -", "stolen", *(["calls got"] if least else [])):
        assert word in found


def test_the_bounds_are_those_on_the_page() -> None:
    percent = [None if share is None else float(share * 100) for share in (*TO_RANK, *TO_LIMIT)]
    assert percent == [10, 100, 25, None, 10, 20, 10, 90]


def test_what_could_not_be_read_is_no_noise() -> None:
    assert list(why_too_noisy(Noise(None, None), MachineState(), TO_LIMIT)) == []
