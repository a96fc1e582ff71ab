from __future__ import annotations

from itertools import islice

import pytest

from support.made_up_samples import MS, exact, stream
from ucseg_cli.analysis.timing.block_plan import (
    BLOCK,
    LEAST_ROUNDS,
    LONG,
    STEP,
    are_enough,
    calls_in_block,
    is_warm,
    orders,
)


def test_every_stream_has_one_block_a_round_in_an_order_that_changes() -> None:
    rounds = list(islice(orders(3), 60))
    assert {tuple(sorted(order)) for order in rounds} == {(0, 1, 2)}
    assert len(set(rounds)) == 6
    # no stream comes first, or after another, more often than chance has it
    firsts = [order[0] for order in rounds]
    assert all(10 <= firsts.count(place) <= 30 for place in range(3))


def test_the_order_is_the_same_for_the_same_seed() -> None:
    first, again, other = (list(islice(orders(4, seed), 20)) for seed in (7, 7, 8))
    assert first == again != other


@pytest.mark.parametrize(
    ("typical", "calls"),
    [
        (LONG, 1),
        (LONG - 1, 2),
        (BLOCK, 2),
        (BLOCK - 1, 3),
        (BLOCK // 10, 11),
        (0, BLOCK + 1),
    ],
)
def test_a_block_is_a_call_to_leave_out_and_50_ms_of_others_or_one_long_call(
    typical: int, calls: int
) -> None:
    assert calls_in_block(typical) == calls


@pytest.mark.parametrize(
    ("medians", "warm"),
    [
        ((100,), False),
        ((100, 100), False),
        ((100, 100, 100), True),
        ((300, 200, 100), False),
        ((300, 100, 98), True),
        ((300, 100, 97), False),  # 3% faster than all before
        ((100, 300, 200), True),  # slower than once: noise, not warming up
    ],
)
def test_a_model_is_warm_once_it_no_longer_becomes_faster(
    medians: tuple[int, ...], *, warm: bool
) -> None:
    assert is_warm(medians) is warm


def test_a_measurement_ends_once_the_floor_is_low_and_every_model_decided() -> None:
    base, twin, other = stream(80 * MS), stream(80 * MS, seed=1), stream(40 * MS)
    assert are_enough([base, twin, other])
    assert are_enough([base, twin])
    assert are_enough([base, twin, stream(80 * MS, seed=2)])  # as fast, within the floor


def test_it_goes_on_for_a_model_that_is_not_decided() -> None:
    base, twin = stream(80 * MS), stream(80 * MS, seed=1)
    near = stream(81_600_000, noise=0.03, seed=2)
    assert not are_enough([base, twin, near])


def test_it_goes_on_while_the_floor_is_above_three_percent() -> None:
    base, twin = exact(*[100_000] * LEAST_ROUNDS), exact(*[103_001] * LEAST_ROUNDS)
    assert not are_enough([base, twin])
    assert are_enough([base, exact(*[103_000] * LEAST_ROUNDS)])


@pytest.mark.parametrize(
    ("rounds", "enough"),
    [(LEAST_ROUNDS - STEP, False), (LEAST_ROUNDS, True), (LEAST_ROUNDS + 1, False)],
)
def test_it_looks_every_few_rounds_after_the_first_twenty(rounds: int, *, enough: bool) -> None:
    same = exact(*[100] * rounds)
    assert are_enough([same, same]) is enough
