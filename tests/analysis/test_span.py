"""Intervals whose period is too long are unknown, at the very limit; two paces stay two."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest

from ucseg_cli.analysis.geometry.span import (
    ITSELF,
    PeriodTooLongError,
    Span,
    ends,
    hull,
    most_read,
    through,
)


@pytest.mark.parametrize(
    ("period", "expected"), [(4096, nullcontext()), (4097, pytest.raises(PeriodTooLongError))]
)
def test_a_period_of_4096_positions_is_known_and_no_longer_one(
    period: int, expected: AbstractContextManager[object]
) -> None:
    long = Span(tuple(range(period)), tuple(range(period)), period)
    with expected:
        assert hull([long, ITSELF]) == (long,)
    with expected:
        assert through(long, ITSELF) == long


def test_spans_that_diverge_are_two_and_read_as_far_as_the_map_has_positions() -> None:
    slow = Span((0,), (0,), 1)
    fast = Span((0, 1), (1, 2), 3)
    both = hull([slow, fast, slow])
    assert both == (slow, fast)
    assert [ends(both, position) for position in range(4)] == [(0, 1), (1, 2), (2, 4), (3, 5)]
    assert [most_read(both, positions) for positions in (1, 2, 3, 9)] == [2, 2, 3, 6]


def test_of_a_pattern_only_the_positions_that_the_map_has_are_read() -> None:
    uneven = (Span((0, 0, 0), (0, 1, 4), 3),)
    assert [most_read(uneven, positions) for positions in (1, 2, 3, 100)] == [1, 2, 5, 5]
