"""Effects, steps and distances over a space, against pairs of variants one by one."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from support.fixture_types import TraceOf
from support.spaces import STORED, family_space, made_up_space
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.space.effects import axis_effects, column_steps
from ucseg_cli.analysis.space.front_steps import MOST_STEPS, explain_step, front_steps
from ucseg_cli.analysis.space.nearest import change_counts, nearest_variants
from ucseg_cli.analysis.space.sweep_answer import Column, FrontPoint
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.space import Space

RADICES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@st.composite
def figured_spaces(draw: st.DrawFn) -> tuple[Space, list[int | None]]:
    radices = draw(RADICES)
    base = [draw(st.integers(0, radix)) for radix in radices]  # the last one is not a value
    size = prod(radices)
    figures = st.integers(-50, 50) | (st.none() if draw(st.booleans()) else st.nothing())
    return made_up_space(radices, base), draw(st.lists(figures, min_size=size, max_size=size))


@given(figured_spaces())
def test_an_effect_is_over_all_pairs_that_differ_in_one_step(
    figured: tuple[Space, list[int | None]],
) -> None:
    space, column = figured
    effects = {effect.axis: effect for effect in axis_effects(space, {"x": column})}
    for place, axis in enumerate(space.axes):
        steps = []
        for variant in range(space.size):
            digits = list(space.digits_at(variant))
            digits[place] += 1
            if digits[place] < len(axis.values):
                before, after = column[variant], column[space.index_of(digits)]
                if before is not None and after is not None:
                    steps.append(after - before)
        assert sorted(column_steps(column, len(axis.values), space.strides[place])) == sorted(steps)
        if len(axis.values) == 1:
            assert axis.name not in effects
            continue
        effect = effects[axis.name]
        assert effect.pairs == len(steps)
        assert effect.mean == (Fraction(sum(steps), len(steps)) if steps else None)
        assert effect.smallest == min(steps, default=None)
        assert effect.largest == max(steps, default=None)


@given(figured_spaces())
def test_the_nearest_have_the_fewest_changes_then_the_smallest(
    figured: tuple[Space, list[int | None]],
) -> None:
    space, column = figured
    assert change_counts(space) == [len(space.changed_at(one)) for one in range(space.size)]
    feasible = [int(figure is None or figure > 0) for figure in column]
    found = nearest_variants(space, feasible, column, 3)
    fitting = [variant for variant in range(space.size) if feasible[variant]]
    fewest = min((len(space.changed_at(variant)) for variant in fitting), default=0)
    near = [variant for variant in fitting if len(space.changed_at(variant)) == fewest]

    def distance(variant: int) -> tuple[bool, int, int]:
        figure = column[variant]
        return figure is None, abs((figure or 3) - 3), variant

    assert [one.variant for one in found] == sorted(near, key=distance)
    for one in found:
        figure = column[one.variant]
        assert one.axes == space.changed_at(one.variant)
        assert one.change == (None if figure is None else figure - 3)


def test_a_base_without_a_figure_leaves_the_order_of_the_space() -> None:
    column: Column = [4, 2, 3]
    found = nearest_variants(made_up_space([3], [3]), [1, 1, 1], column, None)
    assert [(one.variant, one.change) for one in found] == [(0, None), (1, None), (2, None)]


@given(figured_spaces(), st.data())
def test_the_reasons_of_a_step_add_up(
    figured: tuple[Space, list[int | None]], data: st.DataObject
) -> None:
    space, column = figured
    before, after = (data.draw(st.integers(0, space.size - 1)) for _ in range(2))
    step = explain_step(space, before, after, {"x": column})
    pairs = zip(space.axes, space.digits_at(before), space.digits_at(after), strict=True)
    assert step.axes == tuple(axis.name for axis, old, new in pairs if old != new)
    for attribution in step.attributions:
        assert (attribution.before, attribution.after) == (column[before], column[after])
        shares = sum(effect.rounded for effect in attribution.effects)
        assert shares == attribution.after - attribution.before
        assert {effect.axis for effect in attribution.effects} == set(step.axes)
    if None not in column and step.axes:
        assert len(step.attributions) == 1


def test_steps_of_a_real_space_add_up(trace_of: TraceOf) -> None:
    space = family_space("v1", STORED)
    models = [space.model_at(variant) for variant in range(space.size)]
    column = [totals(trace_of(model, Conditions()))["params"] for model in models]  # type: ignore[arg-type]
    order = sorted(range(space.size), key=column.__getitem__)
    steps = front_steps(space, [FrontPoint(variant) for variant in order], {"params": column})
    assert [(step.before, step.after) for step in steps] == list(pairwise(order))
    for step in steps:
        (attribution,) = step.attributions
        gained = column[step.after] - column[step.before]
        assert sum(effect.rounded for effect in attribution.effects) == gained
        assert attribution.over_all_orders


def test_a_long_front_has_its_first_steps_explained() -> None:
    space = made_up_space([MOST_STEPS + 5])
    column = list(range(space.size))
    front = [FrontPoint(variant) for variant in range(space.size)]
    assert len(front_steps(space, front, {"x": column})) == MOST_STEPS
    assert front_steps(space, front[:1], {"x": column}) == ()
