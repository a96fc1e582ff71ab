"""Axes that no comparison counts, against networks that differ in nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.fixture_types import TraceOf
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.variants import AXES, Variant

UNCOUNTED = [axis.name for axis in AXES if not axis.counted]


@pytest.mark.parametrize("axis", UNCOUNTED)
@settings(max_examples=8)
@given(data=st.data())
def test_an_axis_that_is_not_counted_changes_no_metric(
    variants: SearchStrategy[Variant],
    small_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
    axis: str,
    data: st.DataObject,
) -> None:
    variant, other = data.draw(variants), data.draw(variants)
    conditions = data.draw(small_conditions)
    figures = totals(trace_of(variant, conditions))
    for value in (getattr(other, axis), 0.0):
        changed: dict[str, Any] = {axis: value}
        assert totals(trace_of(variant._replace(**changed), conditions)) == figures
