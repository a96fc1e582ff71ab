"""Limits over a space against what they mean, variant by variant."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.space.limits import judge_limits, least_violation, violated
from ucseg_cli.analysis.space.sweep_answer import Column, Limit

SIZE = 12
FIGURES = st.none() | st.integers(0, 6) | st.fractions(0, 6, max_denominator=3)
LIMITS = st.builds(
    Limit,
    st.sampled_from("abc"),
    st.integers(0, 6) | st.fractions(0, 6, max_denominator=2),
    st.booleans(),
    st.just("text"),
)
COLUMNS = st.fixed_dictionaries(
    dict.fromkeys("abc", st.lists(FIGURES, min_size=SIZE, max_size=SIZE))
)


def meets(limit: Limit, figure: object) -> bool:
    if not isinstance(figure, int | Fraction):
        return False
    return figure <= limit.bound if limit.is_max else figure >= limit.bound


@given(st.lists(LIMITS, max_size=5), COLUMNS, st.sets(st.integers(0, SIZE - 1)))
def test_each_limit_is_tallied_over_what_is_built(
    limits: list[Limit], columns: dict[str, Column], broken: set[int]
) -> None:
    judged = judge_limits(limits, columns, SIZE, broken)
    built = [variant for variant in range(SIZE) if variant not in broken]
    fails = {
        variant: [
            place
            for place, limit in enumerate(limits)
            if not meets(limit, columns[limit.label][variant])
        ]
        for variant in built
    }
    for place, tally in enumerate(judged.tallies):
        assert tally.limit == limits[place]
        assert tally.met == sum(place not in failing for failing in fails.values())
        assert tally.alone == sum(failing == [place] for failing in fails.values())
    feasible = [variant for variant, fits in enumerate(judged.feasible) if fits]
    assert feasible == [variant for variant in built if not fails[variant]]
    assert judged.fitting == len(feasible)
    for variant in built:
        missed = list(violated(limits, columns, variant))
        assert missed == [limits[place] for place in fails[variant]]


@given(st.lists(LIMITS, min_size=1, max_size=4), COLUMNS, st.sets(st.integers(0, SIZE - 1)))
def test_the_least_violation_has_the_smallest_largest_excess(
    limits: list[Limit], columns: dict[str, Column], broken: set[int]
) -> None:
    worst: dict[int, Fraction] = {}
    for variant in set(range(SIZE)) - broken:
        figures = [columns[limit.label][variant] for limit in limits]
        if None not in figures:
            worst[variant] = max(map(excess, limits, figures))
    found = least_violation(limits, columns, SIZE, broken)
    if found is None:
        assert worst == {}
    else:
        assert found.excess == min(worst.values())
        assert found.variant == min(one for one in worst if worst[one] == found.excess)
        assert excess(found.limit, columns[found.limit.label][found.variant]) == found.excess


def excess(limit: Limit, figure: int | Fraction | None) -> Fraction:
    assert figure is not None
    beyond = figure - limit.bound if limit.is_max else limit.bound - figure
    return Fraction(beyond) / (limit.bound or 1)


def test_a_limit_says_what_it_is() -> None:
    assert str(Limit("params", 600_000, is_max=True, text="600k")) == "params ≤ 600k"
    assert str(Limit("fvcore@512", 1, is_max=False, text="1")) == "fvcore@512 ≥ 1"
