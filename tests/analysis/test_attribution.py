"""Shares of a difference, against the definition by orders, on made-up games and the family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from math import factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.lattices import family_lattice
from ucseg_cli.analysis.comparing.attribution import (
    Attribution,
    Interaction,
    Taken,
    attribute,
    round_to_sum,
    shapley_value,
)
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.designs import MAX_CHANGES
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant

TraceOf = Callable[[Variant, Conditions], Trace]
Game = dict[Taken, int]

NAMES = "abcde"
FIGURES = st.integers(-(10**12), 10**12)
FRACTIONS = st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=120)


def subsets(axes: Sequence[str]) -> list[Taken]:
    return [frozenset(some) for size in range(len(axes) + 1) for some in combinations(axes, size)]


def axes_of(game: Mapping[Taken, int]) -> list[str]:
    return sorted(frozenset[str]().union(*game))


@st.composite
def games(draw: st.DrawFn, least: int = 1) -> Game:
    """Any figure for any set of axes."""
    return {
        taken: draw(FIGURES) for taken in subsets(NAMES[: draw(st.integers(least, len(NAMES)))])
    }


def by_all_orders(game: Game, axis: str) -> Fraction:
    """The definition itself: the effect of an axis in its turn, averaged over every order."""
    orders = list(permutations(axes_of(game)))
    earlier = (frozenset(order[: order.index(axis)]) for order in orders)
    return Fraction(sum(game[before | {axis}] - game[before] for before in earlier), len(orders))


@given(games())
def test_shares_add_up_to_the_difference_and_so_do_the_rounded_ones(game: Game) -> None:
    found = attribute("params", game, axes_of(game))
    assert found.over_all_orders
    assert sum(effect.share for effect in found.effects) == found.after - found.before
    assert sum(effect.rounded for effect in found.effects) == found.after - found.before
    assert all(abs(effect.rounded - effect.share) < 1 for effect in found.effects)


@given(games())
def test_a_share_is_the_marginal_effect_averaged_over_all_orders(game: Game) -> None:
    axes = axes_of(game)
    assert {axis: shapley_value(game, axis, axes) for axis in axes} == {
        axis: by_all_orders(game, axis) for axis in axes
    }


@given(games(least=2))
def test_axes_that_are_interchangeable_have_equal_shares(game: Game) -> None:
    swapped = str.maketrans("ab", "ba")
    symmetric = {
        taken: figure + game[frozenset(axis.translate(swapped) for axis in taken)]
        for taken, figure in game.items()
    }
    axes = axes_of(symmetric)
    assert shapley_value(symmetric, "a", axes) == shapley_value(symmetric, "b", axes)


@given(games(least=2))
def test_an_axis_without_effect_has_no_share_and_no_interaction(game: Game) -> None:
    idle = {taken: game[taken - {"a"}] for taken in game}
    found = attribute("params", idle, axes_of(idle))
    first = found.effects[0]
    assert (first.axis, first.alone, first.last, first.share, first.rounded) == (
        "a",
        0,
        0,
        Fraction(),
        0,
    )
    assert not any("a" in {pair.axis, pair.other} for pair in found.interactions)


@given(games(), games())
def test_shares_of_a_sum_are_sums_of_shares(one: Game, other: Game) -> None:
    game = {taken: figure + other.get(taken, 0) for taken, figure in one.items()}
    rest = {taken: other.get(taken, 0) for taken in one}
    axes = axes_of(one)
    for axis in axes:
        assert shapley_value(game, axis, axes) == shapley_value(one, axis, axes) + shapley_value(
            rest, axis, axes
        )


@given(FIGURES, FIGURES, FIGURES, FIGURES)
def test_of_two_axes_each_share_is_the_mean_of_alone_and_last(
    none: int, a: int, b: int, both: int
) -> None:
    game = {frozenset[str](): none, frozenset("a"): a, frozenset("b"): b, frozenset("ab"): both}
    for effect in attribute("params", game, "ab").effects:
        assert effect.alone is not None
        assert effect.last is not None
        assert effect.share == Fraction(effect.alone + effect.last, 2)
    one, other = attribute("params", game, "ab").effects
    assert (one.alone, one.last) == (a - none, both - b)
    assert (other.alone, other.last) == (b - none, both - a)


@given(FIGURES, FIGURES)
def test_one_axis_has_the_whole_difference(none: int, all_of_it: int) -> None:
    (effect,) = attribute(
        "params", {frozenset[str](): none, frozenset("a"): all_of_it}, "a"
    ).effects
    assert effect.alone == effect.last == effect.share == effect.rounded == all_of_it - none


@pytest.mark.parametrize(
    ("shares", "rounded"),
    [
        ([Fraction(1, 3)] * 3, [1, 0, 0]),
        ([Fraction(2, 3)] * 3, [1, 1, 0]),
        ([Fraction(-1, 3)] * 3, [0, 0, -1]),
        ([Fraction(-2, 3)] * 3, [0, -1, -1]),
        ([Fraction(-5, 2), Fraction(5, 2)], [-2, 2]),
        ([Fraction(7, 4), Fraction(-3, 4)], [2, -1]),
        ([Fraction(4), Fraction(-4)], [4, -4]),
        ([], []),
    ],
)
def test_the_largest_remainders_are_rounded_up(shares: list[Fraction], rounded: list[int]) -> None:
    found = round_to_sum(dict(zip(NAMES, shares, strict=False)))
    assert list(found.values()) == rounded
    assert sum(found.values()) == sum(shares)


@given(st.lists(FRACTIONS, min_size=1, max_size=5), st.integers(-(10**6), 10**6))
def test_rounding_moves_no_share_by_a_whole_unit_and_keeps_the_sum(
    shares: list[Fraction], total: int
) -> None:
    whole = dict(enumerate([*shares, total - sum(shares)]))
    named = {str(name): Fraction(share) for name, share in whole.items()}
    rounded = round_to_sum(named)
    assert sum(rounded.values()) == total
    assert all(abs(rounded[name] - share) < 1 for name, share in named.items())


def path_of(axes: Sequence[str]) -> list[Taken]:
    """None and all, each alone, all but each, and one after the other."""
    everything = frozenset(axes)
    steps = [frozenset(axes[:length]) for length in range(len(axes) + 1)]
    return [*steps, *(frozenset({axis}) for axis in axes), *(everything - {axis} for axis in axes)]


@given(st.data())
def test_with_figures_for_a_path_alone_shares_are_what_each_step_adds(data: st.DataObject) -> None:
    axes = "abcdefgh"[: MAX_CHANGES + data.draw(st.integers(1, 2))]
    values = {taken: data.draw(FIGURES) for taken in dict.fromkeys(path_of(axes))}
    found = attribute("params", values, axes)
    assert not found.over_all_orders
    assert found.interactions == ()
    assert sum(effect.share for effect in found.effects) == found.after - found.before
    assert sum(effect.rounded for effect in found.effects) == found.after - found.before
    for length, effect in enumerate(found.effects):
        step = values[frozenset(axes[: length + 1])] - values[frozenset(axes[:length])]
        assert effect.share == effect.rounded == step
    assert [effect.alone for effect in found.effects] == [
        values[frozenset({axis})] - values[frozenset()] for axis in axes
    ]


def test_the_brute_force_really_takes_every_order() -> None:
    game = {taken: len(taken) ** 2 for taken in subsets(NAMES)}
    assert sum(by_all_orders(game, axis) for axis in NAMES) == 25
    assert len(list(permutations(NAMES))) == factorial(5)


@pytest.mark.parametrize(
    ("baseline", "together", "matters"),
    [(1000, 10, True), (1000, 9, False), (1000, -10, True), (0, 1, True), (0, 0, False)],
)
def test_an_interaction_matters_from_one_percent_of_the_baseline(
    baseline: int, together: int, *, matters: bool
) -> None:
    figures = {"": 0, "a": 0, "b": 0, "ab": together}
    game = {frozenset(taken): baseline + figure for taken, figure in figures.items()}
    expected = [Interaction("a", "b", 0, together)] if matters else []
    assert list(attribute("params", game, "ab").interactions) == expected


# The family's own figures


@pytest.fixture(scope="module")
def attributed(trace_of: TraceOf) -> Callable[[str, str, str], Attribution]:
    """The effect of each changed axis of two variants on a metric at 224 pixels."""

    def between(before: str, after: str, metric: str) -> Attribution:
        variants = family_lattice(as_variant(before), as_variant(after))
        values = {
            taken: totals(trace_of(variant, Conditions()))[metric]
            for taken, variant in variants.items()
        }
        return attribute(metric, values, axes_in_order(variants), {"conv", "head"})

    return between


def axes_in_order(variants: Mapping[Taken, Variant]) -> list[str]:
    everything = max(variants, key=len)
    return [name for name in CATALOGUE["v2"]._fields if name in everything]


def test_the_extra_entry_explains_more_than_all_of_v2_s_extra_parameters(
    attributed: Callable[[str, str, str], Attribution],
) -> None:
    found = attributed("v1", "v2", "params")
    effects = {effect.axis: effect for effect in found.effects}
    assert list(effects) == ["backbone", "rates", "conv", "decoder_blocks"]
    backbone = effects["backbone"]
    assert backbone.alone == backbone.last == backbone.share == backbone.rounded == 294_096
    assert found.after - found.before == 170_168
    assert sum(effect.rounded for effect in found.effects) == 170_168


def test_a_third_rate_costs_more_with_regular_convs_than_with_separable_ones(
    attributed: Callable[[str, str, str], Attribution],
) -> None:
    found = attributed("v1", "v2", "params")
    assert Interaction("rates", "conv", 59_520, 11_424) in found.interactions
    assert not any("backbone" in {pair.axis, pair.other} for pair in found.interactions)
    strengths = [abs(pair.with_it - pair.without) for pair in found.interactions]
    assert strengths == sorted(strengths, reverse=True)


def test_of_two_interacting_axes_the_kind_is_the_one_depended_on(
    attributed: Callable[[str, str, str], Attribution],
) -> None:
    found = attributed("v2", "v2+head=before-upsample+classes=2", "fvcore")
    assert [(pair.axis, pair.other) for pair in found.interactions] == [("classes", "head")]


def test_seven_changes_of_the_family_add_up_too(
    attributed: Callable[[str, str, str], Attribution],
) -> None:
    widths = "aspp_channels=8+mid_channels=8+classes=2"
    other = f"v2+backbone=8+rates=2+conv=regular+decoder_blocks=1+{widths}"
    found = attributed("v2", other, "fvcore")
    assert not found.over_all_orders
    assert sum(effect.rounded for effect in found.effects) == found.after - found.before
