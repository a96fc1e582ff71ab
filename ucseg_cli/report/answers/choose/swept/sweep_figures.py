"""The figures of swept variants: the kinds of their columns, and as words."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ucseg_cli.analysis.space.sweep_answer import Number, Quantity, SweepAnswer
from ucseg_cli.report.document import Cell, Kind
from ucseg_cli.units import format_bytes, format_decimal, spoken_count

FEW = 100
"""Means below keep their decimals: half a position is not nothing."""


def figure_kind(quantity: Quantity) -> Kind:
    """The kind of a column of figures."""
    if quantity.measure is None:
        return Kind.DECIMAL
    return Kind.BYTES if quantity.in_bytes else Kind.QUANTITY


def effect_kind(quantity: Quantity) -> Kind:
    """The kind of a column of differences."""
    return Kind.BYTES_EFFECT if quantity.in_bytes else Kind.EFFECT


def mean_cell(mean: Fraction | None, quantity: Quantity) -> Cell:
    """A mean, whole where its decimals would be noise."""
    if mean is None or quantity.measure is None:
        return mean
    is_noise = quantity.in_bytes or abs(mean) >= FEW or mean.denominator == 1
    return round(mean) if is_noise else mean


def figure_text(quantity: Quantity, figure: Number, *, signed: bool = False) -> str:
    """A figure in a sentence."""
    if quantity.measure is None or isinstance(figure, Fraction):
        unit = f" {quantity.unit}" if quantity.unit else ""
        return f"{format_decimal(figure, signed=signed)}{unit}"
    write = format_bytes if quantity.in_bytes else spoken_count
    return write(figure, signed=signed)


def trade(answer: SweepAnswer, quantities: Sequence[Quantity]) -> list[Quantity]:
    """Two of some quantities: what is given, and if anything is wanted what that is given for."""
    gained = {objective.label for objective in answer.objectives if objective.maximize}
    costs = [one for one in quantities if one.label not in gained]
    benefits = [one for one in quantities if one.label in gained]
    return [*costs[:1], *benefits[:1], *costs[1:], *benefits[1:]][:2]
