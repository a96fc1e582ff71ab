from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.rules.first_budgets import FirstBudget


def limit(value: int) -> int:
    return FirstBudget("params", value).limit


@pytest.mark.parametrize(
    ("value", "most"),
    [
        (645_245, 660_000),  # 658,149.9
        (475_077, 485_000),  # 484,578.54
        (1_010_000, 1_040_000),  # 1,030,200: 1.1M would be 9% more, 1.031M would not be shorter
        (1_000_000, 1_020_000),
        (980_393, 1_001_000),  # 1,000,000.86: 1.01M would be a little more than 1% above
        (0, 0),
        (1, 2),
        (49, 50),
        (50, 51),
        (100, 102),
    ],
)
def test_a_limit_is_two_percent_above_the_figure_and_short(value: int, most: int) -> None:
    assert limit(value) == most


@given(st.integers(0, 2**60))
def test_a_limit_is_never_below_two_percent_more_and_hardly_above_three(value: int) -> None:
    most = limit(value)
    assert most * 100 >= value * 102
    assert (most - 1) * 100 <= value * 103


@given(st.integers(1, 2**60))
def test_no_shorter_number_is_as_near(value: int) -> None:
    most, least = limit(value), -(-value * 102 // 100)
    zeros = len(str(most)) - len(str(most).rstrip("0"))
    shorter = -(-least // 10 ** (zeros + 1)) * 10 ** (zeros + 1)
    assert (shorter - least) * 100 > value or zeros + 1 >= len(str(least))
