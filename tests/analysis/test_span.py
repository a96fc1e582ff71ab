"""Intervals whose period is too long are unknown, at the very limit."""

from __future__ import annotations

import pytest

from ucseg_cli.analysis.geometry.span import ITSELF, Span, hull, through


@pytest.mark.parametrize(("period", "is_known"), [(4096, True), (4097, False)])
def test_a_period_of_4096_positions_is_known_and_no_longer_one(
    period: int, *, is_known: bool
) -> None:
    long = Span(tuple(range(period)), tuple(range(period)), period)
    assert (hull([long, ITSELF]) is not None) == is_known
    assert (through(long, ITSELF) is not None) == is_known
