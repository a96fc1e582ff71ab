"""The front against its definition."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fixture_types import TraceOf
from support.spaces import STORED, family_space
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.space.conclude_sweep import find_front
from ucseg_cli.analysis.space.front import Costs, pareto_front
from ucseg_cli.analysis.space.sweep_answer import Column, Objective
from ucseg_cli.facts.conditions import Conditions


def beats(one: Costs, other: Costs) -> bool:
    """The definition: nowhere worse, and somewhere better."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def brute_force(points: list[Costs]) -> list[Costs]:
    every = set(points)
    return sorted(point for point in every if not any(beats(other, point) for other in every))


@st.composite
def clouds(draw: st.DrawFn) -> list[Costs]:
    """Points with many ties or with few, of one to six objectives, exact in any way."""
    objectives = draw(st.integers(1, 6))
    most = draw(st.sampled_from([2, 5, 1000, 10**30]))
    number = st.integers(-most, most) | st.fractions(-most, most, max_denominator=7)
    return draw(st.lists(st.tuples(*[number] * objectives), max_size=40))


@given(clouds())
def test_the_front_is_what_the_definition_says(points: list[Costs]) -> None:
    assert pareto_front(points) == brute_force(points)


@given(st.data(), st.integers(3, 5))
def test_it_is_on_points_that_hardly_beat_each_other(data: st.DataObject, objectives: int) -> None:
    shares = st.lists(st.integers(1, 99), min_size=objectives, max_size=objectives)
    rows = data.draw(st.lists(shares, min_size=1, max_size=40))
    points: list[Costs] = [tuple(number * 1000 // sum(row) for number in row) for row in rows]
    assert pareto_front(points) == brute_force(points)


def test_no_points_have_no_front_and_one_is_its_own() -> None:
    assert pareto_front([]) == []
    assert pareto_front([(3, 2), (3, 2)]) == [(3, 2)]


METRICS = ("params", "fvcore", "macs", "torch", "peak-memory", "bytes")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_it_is_on_a_real_space_with_every_choice_of_objectives(
    trace_of: TraceOf, count: int
) -> None:
    space = family_space("v1", STORED)
    models = [space.model_at(variant) for variant in range(space.size)]
    figures = [totals(trace_of(model, Conditions())) for model in models]  # type: ignore[arg-type]
    columns = {name: [row[name] for row in figures] for name in METRICS}
    for names in combinations(METRICS, count):
        for best in (False, True):
            objectives = [Objective(name, best and name == names[-1]) for name in names]
            signs = [-1 if one.maximize else 1 for one in objectives]
            costs: list[Costs] = [
                tuple(sign * row[name] for sign, name in zip(signs, names, strict=True))
                for row in figures
            ]
            front = find_front(space, [1] * space.size, objectives, columns)
            assert [costs[point.variant] for point in front] == brute_force(costs)
            members = {one for point in front for one in (point.variant, *point.equals)}
            assert members == {
                variant
                for variant, point in enumerate(costs)
                if not any(beats(other, point) for other in costs)
            }


def test_equal_costs_are_one_point_named_by_the_fewest_changes() -> None:
    space = family_space("v2", {"dropout": "0,0.1,0.3", "backbone": "10,11"})
    column = [5, 7] * 3
    (point,) = find_front(space, [1] * 6, [Objective("params")], {"params": column})
    assert (point.variant, point.equals) == (4, (0, 2))
    (point,) = find_front(space, [1, 1, 1, 1, 0, 1], [Objective("params")], {"params": column})
    assert (point.variant, point.equals) == (0, (2,))


def test_what_does_not_fit_or_has_no_figure_is_not_on_the_front() -> None:
    space = family_space("v2", {"backbone": "8..11"})
    columns: dict[str, Column] = {"a": [1, 2, 3, None], "b": [9, Fraction(1, 2), Fraction(1, 3), 0]}
    objectives = [Objective("a"), Objective("b", maximize=True)]

    def front(feasible: list[int]) -> list[int]:
        return [point.variant for point in find_front(space, feasible, objectives, columns)]

    assert front([1, 1, 1, 1]) == [0]
    assert front([0, 1, 1, 1]) == [1]
    assert front([0, 0, 0, 1]) == []
