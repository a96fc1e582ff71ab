"""The effect of each changed axis on a metric: alone, last, and its share of the difference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from math import factorial, floor
from typing import NamedTuple

Taken = frozenset[str]
Values = Mapping[Taken, int]
"""A metric's value for each set of axes taken from the candidate."""


class Effect(NamedTuple):
    """The effect of one axis on a metric.

    Args:
        axis: its name.
        alone: the baseline with only this change, minus the baseline.
        last: the candidate, minus the candidate without only this change.
        share: its Shapley value (Shapley 1953): its effect averaged over all orders of changes.
        rounded: the share in whole units, such that these too add up to the difference.
    """

    axis: str
    alone: int
    last: int
    share: Fraction
    rounded: int


class Interaction(NamedTuple):
    """Two dependent axes: the effect of *axis* without and with the change of *other*."""

    axis: str
    other: str
    without: int
    with_it: int


class Attribution(NamedTuple):
    """A metric's difference as the sum of each axis's effect.

    With too many changes *over_all_orders* is False, and shares are marginals in declared order.
    """

    metric: str
    before: int
    after: int
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]
    over_all_orders: bool


def attribute(
    metric: str, values: Values, axes: Sequence[str], kinds: Collection[str] = ()
) -> Attribution:
    """The effects of *axes*, given the metric for every subset or for a path through them.

    Of two axes that interact, the other's effect depends on one of *kinds*: a rate costs more with
    regular convs, rather than regular convs cost more with a rate.
    """
    complete = len(values) == 2 ** len(axes)
    if complete:
        shares = {axis: shapley_value(values, axis, axes) for axis in axes}
    else:
        shares = marginals(values, axes)
    rounded = round_to_sum(shares)
    everything = frozenset(axes)
    kinds_last = sorted(axes, key=lambda axis: axis in kinds)
    effects = (
        Effect(
            axis=axis,
            alone=values[frozenset({axis})] - values[frozenset()],
            last=values[everything] - values[everything - {axis}],
            share=shares[axis],
            rounded=rounded[axis],
        )
        for axis in axes
    )
    return Attribution(
        metric=metric,
        before=values[frozenset()],
        after=values[everything],
        effects=tuple(effects),
        interactions=tuple(_interactions(values, kinds_last)) if complete else (),
        over_all_orders=complete,
    )


def shapley_value(values: Values, axis: str, axes: Sequence[str]) -> Fraction:
    """The marginal effect of *axis* averaged over all n! orders of the axes."""
    others, n = [other for other in axes if other != axis], len(axes)
    total = 0
    for size in range(n):
        orders = factorial(size) * factorial(n - size - 1)  # in which just these others come first
        for some in combinations(others, size):
            total += orders * (values[frozenset({*some, axis})] - values[frozenset(some)])
    return Fraction(total, factorial(n))


def marginals(values: Values, axes: Sequence[str]) -> dict[str, Fraction]:
    """The effect of each axis when they change one after the other."""
    steps = [values[frozenset(axes[:length])] for length in range(len(axes) + 1)]
    pairs = zip(axes, pairwise(steps), strict=True)
    return {axis: Fraction(after - before) for axis, (before, after) in pairs}


def round_to_sum(shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers with the sum of the shares: rounded down, but the largest remainders up."""
    rounded = {axis: floor(share) for axis, share in shares.items()}
    # Rounding down loses less than one unit an axis: as many units as are missing go up.
    missing = int(sum(shares.values(), Fraction())) - sum(rounded.values())
    for axis in sorted(shares, key=lambda name: rounded[name] - shares[name])[:missing]:
        rounded[axis] += 1
    return rounded


def _interactions(values: Values, axes: Sequence[str]) -> Iterable[Interaction]:
    """Pairs in which one changes the other's effect by at least 1% of the baseline's value."""
    nothing = values[frozenset()]
    found = []
    for axis, other in combinations(axes, 2):
        without = values[frozenset({axis})] - nothing
        with_it = values[frozenset({axis, other})] - values[frozenset({other})]
        if abs(with_it - without) * 100 >= max(nothing, 1):
            found.append(Interaction(axis, other, without, with_it))
    return sorted(found, key=lambda pair: -abs(pair.with_it - pair.without))
