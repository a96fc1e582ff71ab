"""The variants that meet all limits with the fewest axes changed from the base."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ucseg_cli.analysis.space.sweep_answer import Column, Nearest, Number
from ucseg_cli.references.space import Space


def change_counts(space: Space) -> list[int]:
    """On how many axes each variant is not as the base, in the order of the space."""
    counts = [0]
    for axis in space.axes:
        steps = [int(value != axis.base) for value in axis.values]
        counts = [count + step for count in counts for step in steps]
    return counts


def nearest_variants(
    space: Space, feasible: Sequence[int], first: Column, base: Number | None
) -> tuple[Nearest, ...]:
    """Those of the *feasible* with the fewest axes changed, the smallest change first.

    That change is one of the *first* objective, from the figure of the *base*. Variants for which
    it is unknown come last.
    """
    counts = change_counts(space)
    fitting = [variant for variant in range(space.size) if feasible[variant]]
    fewest = min((counts[variant] for variant in fitting), default=0)
    found = [
        Nearest(variant, space.changed_at(variant), _change(first[variant], base))
        for variant in fitting
        if counts[variant] == fewest
    ]
    return tuple(sorted(found, key=_distance))


def _change(figure: Number | None, base: Number | None) -> Number | None:
    return None if figure is None or base is None else figure - base


def _distance(nearest: Nearest) -> tuple[bool, Fraction, int]:
    unknown = nearest.change is None
    return unknown, abs(Fraction(nearest.change or 0)), nearest.variant
