"""Where a figure lies between the ends of a picture, and the ticks along its edge."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor, log10
from typing import NamedTuple

from ucseg_cli.report.pictures.scatter import Bound, Number, Scale, Scatter
from ucseg_cli.units import format_decimal, write_duration, write_quantity

STEPS = (Fraction(1), Fraction(2), Fraction(5, 2), Fraction(5), Fraction(10))
"""The leading figures of the distance between two ticks."""
LEADING = ((1, 2, 5), (1, 3), (1,))
"""The same where distances are ratios, the most first."""
DECADES = 30
"""How often the least figure is in the largest where distances are shown as ratios."""
REACH = Fraction(1, 2)
"""How far beyond the figures a limit may lie and still be drawn, as a share of their range."""
MARGIN = 0.04


class Ruler(NamedTuple):
    """One edge, from *low* to *high*; with *ratios* equal distances are equal ratios."""

    low: float
    high: float
    ratios: bool
    scale: Scale

    def place(self, figure: Number) -> float:
        """Where a figure is: 0 at the lower end, 1 at the upper one."""
        low, high, at = (_measure(end, ratios=self.ratios) for end in (self.low, self.high, figure))
        return (at - low) / (high - low)

    def holds(self, figure: Number) -> bool:
        """Whether a figure lies between the ends."""
        return self.low <= figure <= self.high

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """The place and text of at most *most* round figures between the ends."""
        values = self._decades(most) if self.ratios else self._even(most)
        return [(self.place(value), tick_text(value, self.scale)) for value in values]

    def _even(self, most: int) -> list[Fraction]:
        step = _round_up(Fraction(self.high - self.low) / most, whole=self.scale.whole)
        first, last = ceil(self.low / step), floor(self.high / step)
        return [step * count for count in range(first, last + 1)]

    def _decades(self, most: int) -> list[Fraction]:
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        candidates = [
            [Fraction(10) ** power * figure for power in powers for figure in leading]
            for leading in LEADING
        ]
        known = [list(filter(self.holds, values)) for values in candidates]
        few = next((values for values in known if len(values) <= most), known[-1])
        return few[:: ceil(len(few) / most) or 1]


def rulers(scatter: Scatter) -> tuple[Ruler, Ruler]:
    """The lower and the left edge of a scatter."""
    dots = [*scatter.dots, *([scatter.base] if scatter.base else [])]
    across = make_ruler(scatter.across, [dot.x for dot in dots], scatter.across_bounds)
    return across, make_ruler(scatter.up, [dot.y for dot in dots], scatter.up_bounds)


def make_ruler(scale: Scale, figures: Iterable[Number], bounds: Iterable[Bound] = ()) -> Ruler:
    """An edge that holds all *figures*, and the *bounds* that do not lie far beyond them."""
    known = list(figures)
    low, high = min(known), max(known)
    ratios = low > 0 and high / low >= DECADES
    reach = (high - low) * REACH
    near = [bound.at for bound in bounds if low - reach <= bound.at <= high + reach]
    if not ratios:
        low, high = min([low, *near]), max([high, *near])
    return _with_margins(low, high, scale, ratios=ratios)


def tick_text(figure: Fraction, scale: Scale) -> str:
    """A round figure as short as it can be: ``250k``, ``1.5 MB``, ``0.25``, ``20 ms``."""
    if scale.in_time:
        return write_duration(round(figure))
    if figure.denominator == 1 and figure >= 0:
        return write_quantity(int(figure), in_bytes=scale.in_bytes)
    return format_decimal(figure)


def _with_margins(low: Number, high: Number, scale: Scale, *, ratios: bool) -> Ruler:
    if ratios:
        factor = (high / low) ** MARGIN
        return Ruler(float(low) / factor, float(high) * factor, ratios, scale)
    room = float(high - low) * MARGIN or abs(float(high)) * MARGIN or 1.0
    return Ruler(float(low) - room, float(high) + room, ratios, scale)


def _measure(figure: float | Number, *, ratios: bool) -> float:
    return log10(figure) if ratios else float(figure)


def _round_up(distance: Fraction, *, whole: bool) -> Fraction:
    """The smallest round distance that is not less; *whole* where half a figure is nothing."""
    power = Fraction(10) ** (max(floor(log10(distance)), 0) if whole else floor(log10(distance)))
    steps = (step * power for step in STEPS if not whole or (step * power).denominator == 1)
    return next(step for step in steps if step >= distance)
