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
        alone: the baseline with only this change, minus the baseline; None if that cannot be built.
        last: the candidate, minus the candidate without only this change; None likewise.
        share: its Shapley value (Shapley 1953): its effect averaged over all orders of changes.
        rounded: the share in whole units, such that these too add up to the difference.
    """

    axis: str
    alone: int | None
    last: int | None
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

    With too many changes, or with a model between that cannot be built, *over_all_orders* is False,
    and shares are the effects of making the changes one by one, in the order of *effects*.
    """

    metric: str
    before: int
    after: int
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]
    over_all_orders: bool


class Gap(NamedTuple):
    """A model between two that has no figures: what is changed in it, and why it has none."""

    taken: Taken
    reason: str


class Reasons(NamedTuple):
    """Why two models of one design differ; with *gaps* not over all orders of the changes."""

    attributions: tuple[Attribution, ...] = ()
    gaps: tuple[Gap, ...] = ()


NO_REASONS = Reasons()


def attribute(
    metric: str, values: Values, axes: Sequence[str], kinds: Collection[str] = ()
) -> Attribution:
    """The effects of *axes*, given the metric for every subset or at least for a path through them.

    Raises ValueError where first_order finds none. If two axes interact, the other's effect
    depends on one of *kinds*: a rate costs more with regular convs, rather than regular convs cost
    more with a rate.
    """
    complete = len(values) == 2 ** len(axes)
    if complete:
        shares = {axis: shapley_value(values, axis, axes) for axis in axes}
    else:
        order = first_order(values, axes)
        if order is None:
            raise ValueError("no order of the changes has a value at each step")
        axes = order
        shares = marginals(values, axes)
    rounded = round_to_sum(shares)
    nothing, everything = frozenset[str](), frozenset(axes)
    kinds_last = sorted(axes, key=lambda axis: axis in kinds)
    effects = (
        Effect(
            axis=axis,
            alone=_step(values, nothing, frozenset({axis})),
            last=_step(values, everything - {axis}, everything),
            share=shares[axis],
            rounded=rounded[axis],
        )
        for axis in axes
    )
    return Attribution(
        metric=metric,
        before=values[nothing],
        after=values[everything],
        effects=tuple(effects),
        interactions=tuple(_interactions(values, kinds_last)) if complete else (),
        over_all_orders=complete,
    )


def first_order(values: Values, axes: Sequence[str]) -> Sequence[str] | None:
    """The first order, beginning with the one given, in which each step has a value."""
    everything = frozenset(axes)
    dead: set[Taken] = set()

    def complete(taken: Taken) -> list[str] | None:
        if taken == everything:
            return []
        for axis in axes:
            after = taken | {axis}
            if axis in taken or after in dead or after not in values:
                continue
            if (rest := complete(after)) is not None:
                return [axis, *rest]
        dead.add(taken)
        return None

    return complete(frozenset())


def _step(values: Values, before: Taken, after: Taken) -> int | None:
    known = before in values and after in values
    return values[after] - values[before] if known else None


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
