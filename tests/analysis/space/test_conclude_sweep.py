"""The answer put together: ranges, ranks and notes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from support.spaces import made_up_space
from ucseg_cli.analysis.space.conclude_sweep import Wanted, conclude_sweep
from ucseg_cli.analysis.space.expression import parse_formula
from ucseg_cli.analysis.space.sweep_answer import Limit, Objective, Quantity, Scores, SweepAnswer
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.swept import Swept

COST, SCORE = Quantity("params", "parameters"), Quantity("miou", "miou")


def answer(formula: str | None = None, *limits: Limit) -> SweepAnswer:
    """Six variants; the last cannot be built, and the first two have no score."""
    swept = Swept({"params": [9, 3, 5, 3, 7, None]}, {5: "broken"})
    scores = [None, None, Fraction(1, 2), Fraction(1, 4), Fraction(1, 2), None]
    wanted = Wanted(
        quantities=(COST, SCORE),
        objectives=(Objective("params"), Objective("miou", maximize=True)),
        limits=limits,
        formula=parse_formula(formula) if formula else None,
        names={"miou": "miou", "params": "params"},
    )
    found = Scores("scores.csv", {"miou": scores}, 3)
    space = made_up_space([3, 2])
    return conclude_sweep(space, Conditions(), wanted, swept, {"params": 9}, found)


def test_a_range_has_the_first_variant_of_each_end() -> None:
    params, miou = answer().ranges
    assert params == ("params", 3, 9, 9, 1, 0, 5)
    assert miou == ("miou", Fraction(1, 4), None, Fraction(1, 2), 3, 2, 3)


def test_a_range_without_figures_has_no_ends() -> None:
    space, swept = made_up_space([2]), Swept({"params": [None, None]}, {})
    wanted = Wanted((COST,), (Objective("params"),))
    found = conclude_sweep(space, Conditions(), wanted, swept, {})
    assert found.ranges == (("params", None, None, None, None, None, 0),)
    assert (found.front, found.fitting) == ((), 2)


def test_a_formula_ranks_what_fits_the_highest_first() -> None:
    ranking = answer("4*miou - params/100", Limit("params", 5, is_max=True, text="5")).ranking
    assert ranking is not None
    assert ranking.scores == [None, None, 1.95, 0.97, 1.93, None]
    assert ranking.order == [2, 3]
    assert ranking.reasons == {"no miou": 3}
    tied = answer("miou").ranking
    assert tied is not None
    assert tied.order == [2, 4, 3]


def test_what_cannot_be_on_the_front_is_counted() -> None:
    found = answer()
    assert [point.variant for point in found.front] == [3, 2]
    assert found.notes == ("2 variants have no miou, and cannot be on the front.",)


def test_an_axis_without_effect_is_named_but_not_one_without_figures() -> None:
    space, swept = made_up_space([2, 2]), Swept({"params": [1, 2, 1, 2]}, {})
    wanted = Wanted((COST,), (Objective("params"),))
    found = conclude_sweep(space, Conditions(), wanted, swept, {})
    assert found.notes == ("The axis a changes none of these figures.",)
    swept = Swept({"params": [1, None, None, None]}, {})
    assert "axis" not in " ".join(conclude_sweep(space, Conditions(), wanted, swept, {}).notes)


@pytest.mark.parametrize(("bound", "least"), [(2, 1), (9, None)])
def test_the_least_violation_is_there_only_if_nothing_fits(bound: int, least: int | None) -> None:
    found = answer(None, Limit("params", bound, is_max=True, text=str(bound)))
    assert (None if found.least is None else found.least.variant) == least
    assert found.column("miou")[3] == found.figure("miou", 3) == Fraction(1, 4)
    assert found.limits[0].bound == bound
