from __future__ import annotations

from fractions import Fraction
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.timing.samples import (
    TAIL,
    Interval,
    Samples,
    median,
    median_interval,
    quantile,
    statistics_of,
)
from ucseg_cli.facts.timing.block import Block


def test_the_first_call_of_a_block_is_left_out_unless_it_is_the_only_one() -> None:
    assert Block((9, 1, 2)).kept == (1, 2)
    assert Block((9,)).kept == (9,)


def test_percentiles_are_times_of_calls_by_nearest_rank() -> None:
    found = statistics_of([Block((call,)) for call in range(100, 0, -1)])
    assert (found.n, found.least, found.p25, found.p50, found.p75) == (100, 1, 25, 50, 75)
    assert (found.p95, found.p99, found.most) == (95, 99, 100)
    assert found.spread == Fraction(50, 50)


@pytest.mark.parametrize(
    ("calls", "known"),
    [(19, (False, False)), (20, (True, False)), (99, (True, False)), (100, (True, True))],
)
def test_a_percentile_needs_a_call_beyond_it(calls: int, known: tuple[bool, bool]) -> None:
    found = statistics_of([Block((call,)) for call in range(1, calls + 1)])
    assert (found.p95 is not None, found.p99 is not None) == known


@given(st.lists(st.integers(0, 9), min_size=1), st.fractions(0, 1))
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(
    values: list[int], share: Fraction
) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    at_most = sum(value <= found for value in ordered)
    assert at_most >= share * len(ordered)
    below: int = sum(value < found for value in ordered)
    assert below < max(share * len(ordered), Fraction(1))


def test_a_median_of_an_even_number_is_a_value_that_was_measured() -> None:
    assert median([4, 1, 3, 2]) == 2


@given(st.integers(8, 120))
def test_the_interval_s_ends_are_the_nearest_that_leave_half_a_percent_on_each_side(
    count: int,
) -> None:
    interval = median_interval(map(Fraction, range(1, count + 1)))
    assert interval is not None
    low, high = int(interval.low), int(interval.high)
    assert high == count + 1 - low

    # the median lies below the k-th value if fewer than k of them lie below it
    def tail(rank: int) -> Fraction:
        return Fraction(sum(comb(count, below) for below in range(rank)), 2**count)

    assert tail(low) <= TAIL < tail(low + 1)


def test_seven_values_have_no_interval_of_99_percent_and_eight_have() -> None:
    values = [Fraction(1), *map(Fraction, range(2, 8))]
    assert median_interval(values) is None
    found = median_interval([*values, Fraction(8)])
    assert found == Interval(Fraction(1), Fraction(4), Fraction(8))


def test_the_interval_holds_the_median_of_any_distribution_as_often_as_promised() -> None:
    random, missed = Random(1), 0
    for _ in range(1500):
        # far from normal: half of the calls wait for another process
        drawn = [random.expovariate(1) + random.choice((0, 5)) for _ in range(31)]
        interval = median_interval(map(Fraction, drawn))
        assert interval is not None
        missed += not interval.low <= 5 <= interval.high  # of 0 to 5 and 5 on, half each
    assert missed <= 30  # 1% of 1500 and three deviations


def test_warm_up_counts_the_first_call() -> None:
    assert Samples(5, [Block((1,)), Block((1, 2, 3))], []).warm_up_calls == 5
