"""What each changed axis of the design does to a metric: alone, last, and as its fair share of the whole difference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import factorial, floor
from typing import NamedTuple

Taken = frozenset[str]
Values = Mapping[Taken, int]
"""A metric's value for each set of axes taken from the candidate."""


class Effect(NamedTuple):
    """What one axis does to a metric.

    Args:
        axis: its name.
        alone: the baseline with only this change, minus the baseline.
        last: the candidate, minus the candidate without only this change.
        share: its Shapley value (Shapley 1953): its marginal effect averaged over all orders of the changes.
        rounded: the share in whole units, such that these too add up to the difference.
    """

    axis: str
    alone: int
    last: int
    share: Fraction
    rounded: int


class Interaction(NamedTuple):
    """Two axes whose effects are not independent: what *axis* does without and with the change of *other*."""

    axis: str
    other: str
    without: int
    with_it: int


class Attribution(NamedTuple):
    """A metric's difference, told as the sum of what each axis does.

    *over_all_orders* is False where there were too many changes, and shares are marginals in the declared order.
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
    """The effects of *axes*, given the metric for every subset of them, or at least for a path through these.

    Of two axes that interact, one of *kinds* is the one that the other's effect depends on: a rate costs more with
    regular convs, rather than regular convs cost more with a rate.
    """
    complete = len(values) == 2 ** len(axes)
    shares = (
        {axis: shapley_value(values, axis, axes) for axis in axes}
        if complete
        else marginals(values, axes)
    )
    rounded = round_to_sum(shares)
    everything = frozenset(axes)
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
        interactions=tuple(_interactions(values, sorted(axes, key=lambda axis: axis in kinds)))
        if complete
        else (),
        over_all_orders=complete,
    )


def shapley_value(values: Values, axis: str, axes: Sequence[str]) -> Fraction:
    """The marginal effect of *axis* averaged over all n! orders; a set of s others comes first in s!(n-s-1)! of them."""
    others, n = [other for other in axes if other != axis], len(axes)
    total = sum(
        factorial(size)
        * factorial(n - size - 1)
        * (values[frozenset({*some, axis})] - values[frozenset(some)])
        for size in range(n)
        for some in combinations(others, size)
    )
    return Fraction(total, factorial(n))


def marginals(values: Values, axes: Sequence[str]) -> dict[str, Fraction]:
    """What each axis adds when they are taken one after the other."""
    steps = [values[frozenset(axes[:length])] for length in range(len(axes) + 1)]
    return {
        axis: Fraction(after - before)
        for axis, before, after in zip(axes, steps, steps[1:], strict=False)
    }


def round_to_sum(shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers that add up to the shares' sum: each is rounded down, the largest remainders up."""
    rounded = {axis: floor(share) for axis, share in shares.items()}
    missing = int(sum(shares.values(), Fraction())) - sum(rounded.values())
    for axis in sorted(shares, key=lambda name: rounded[name] - shares[name])[:missing]:
        rounded[axis] += 1
    return rounded


def _interactions(values: Values, axes: Sequence[str]) -> Iterable[Interaction]:
    """Pairs that matter: the effect of one changes with the other by at least a hundredth of the baseline's value."""
    nothing = values[frozenset()]
    found = []
    for axis, other in combinations(axes, 2):
        without = values[frozenset({axis})] - nothing
        with_it = values[frozenset({axis, other})] - values[frozenset({other})]
        if abs(with_it - without) * 100 >= max(nothing, 1):
            found.append(Interaction(axis, other, without, with_it))
    return sorted(found, key=lambda pair: -abs(pair.with_it - pair.without))
