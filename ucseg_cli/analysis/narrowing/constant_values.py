"""Values that are the same everywhere, after an operator: mostly whether zero stays zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, prod, sqrt
from typing import Any

from ucseg_cli.analysis.geometry.operator_kinds import plain_name
from ucseg_cli.facts.trace import Op

ROUNDING = 1e-4
"""A sum that is so small beside its terms may have any sign where torch computes it, or be zero."""

Known = float | None
"""A value; None if it is not the same everywhere, or not known well enough."""


def combined(op: Op, values: Sequence[Known]) -> Known:
    """The value of an operator without reductions, from those of its tensors."""
    rule = _SEVERAL.get(plain_name(op))
    if rule is not None:
        return _finite(rule(op.attributes, values))
    unary = _UNARY.get(plain_name(op))
    if unary is None or len(values) != 1 or values[0] is None:
        return None
    return _finite(unary(op.attributes, values[0]))


def normalised(
    value: Known, scale: Known, shift: Known, mean: Known, variance: Known, eps: float
) -> Known:
    """The value after a batch norm with fixed statistics.

    It is known to be zero only if the shift is, and nothing is left to be scaled.
    """
    if shift is None:
        return None
    if scale == 0 or (value is not None and value == mean):
        return _finite(shift)
    if value is None or scale is None or mean is None or variance is None or variance + eps <= 0:
        return None
    return _finite(_sum((value - mean) / sqrt(variance + eps) * scale, shift))


def _finite(value: Known) -> Known:
    return value if value is not None and isfinite(value) else None


def _sum(*terms: float) -> Known:
    total = sum(terms)
    if any(terms) and abs(total) <= ROUNDING * sum(map(abs, terms)):
        return None
    return total


def _operands(attributes: Mapping[str, Any], values: Sequence[Known]) -> list[Known]:
    """The tensors, or the tensor and a number."""
    other = attributes.get("other")
    return [*values, other] if len(values) == 1 and isinstance(other, int | float) else [*values]


def _added(attributes: Mapping[str, Any], values: Sequence[Known], sign: int = 1) -> Known:
    terms = _operands(attributes, values)
    if len(terms) != 2 or terms[0] is None or terms[1] is None:
        return None
    return _sum(terms[0], sign * attributes.get("alpha", 1) * terms[1])


def _subtracted(attributes: Mapping[str, Any], values: Sequence[Known]) -> Known:
    return _added(attributes, values, -1)


def _subtracted_from(attributes: Mapping[str, Any], values: Sequence[Known]) -> Known:
    difference = _added({**attributes, "alpha": 1}, values, -1)
    plain = attributes.get("alpha", 1) == 1
    return -difference if plain and difference is not None else None


def _multiplied(attributes: Mapping[str, Any], values: Sequence[Known]) -> Known:
    factors = _operands(attributes, values)
    if 0 in factors:
        return 0.0
    known = [factor for factor in factors if factor is not None]
    return float(prod(known)) if len(known) == len(factors) == 2 else None


def _divided(attributes: Mapping[str, Any], values: Sequence[Known]) -> Known:
    """By a number; a tensor may be zero itself."""
    terms = _operands(attributes, values)
    if len(terms) != 2 or terms[0] is None or not terms[1] or "rounding_mode" in attributes:
        return None
    return terms[0] / terms[1]


def _clamped(attributes: Mapping[str, Any], value: float) -> float:
    return _between(value, attributes.get("min"), attributes.get("max"))


def _between(value: float, least: float | None, most: float | None) -> float:
    above = value if least is None else max(value, least)
    return above if most is None else min(above, most)


def _hardtanh(attributes: Mapping[str, Any], value: float) -> float:
    return _between(value, attributes.get("min_val", -1), attributes.get("max_val", 1))


def _leaky(attributes: Mapping[str, Any], value: float) -> float:
    return value if value >= 0 else value * float(attributes.get("negative_slope", 0.01))


def _hardswish(_: Mapping[str, Any], value: float) -> Known:
    if value == 0 or value <= -3 * (1 + ROUNDING):
        return 0.0
    return value if value >= 3 * (1 + ROUNDING) else None


def _hardsigmoid(_: Mapping[str, Any], value: float) -> Known:
    return 0.0 if value <= -3 * (1 + ROUNDING) else None


def _power(attributes: Mapping[str, Any], value: float) -> Known:
    exponent = attributes.get("exponent")
    return 0.0 if value == 0 and isinstance(exponent, int | float) and exponent > 0 else None


def _rectified(_: Mapping[str, Any], values: Sequence[Known]) -> Known:
    """A slope below zero, which is a tensor of its own."""
    return 0.0 if values[0] == 0 else None


def _zero_at_zero(_: Mapping[str, Any], value: float) -> Known:
    return 0.0 if value == 0 else None


_SEVERAL: Mapping[str, Callable[[Mapping[str, Any], Sequence[Known]], Known]] = {
    "_prelu_kernel": _rectified,
    "add": _added,
    "sub": _subtracted,
    "rsub": _subtracted_from,
    "mul": _multiplied,
    "div": _divided,
}
_UNARY: Mapping[str, Callable[[Mapping[str, Any], float], Known]] = {
    **dict.fromkeys(("alias", "clone", "detach", "lift_fresh"), lambda _, value: value),
    **dict.fromkeys(
        (
            *("_to_copy", "abs", "atan", "ceil", "celu", "elu", "erf", "expm1", "floor", "gelu"),
            *("hardshrink", "log1p", "mish", "neg", "round", "sgn", "sign", "silu", "sin"),
            *("sinh", "softshrink", "sqrt", "square", "tan", "tanh", "trunc"),
        ),
        _zero_at_zero,
    ),
    "clamp": _clamped,
    "clamp_max": _clamped,
    "clamp_min": _clamped,
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky,
    "pow": _power,
    "relu": lambda _, value: max(0.0, value),
    "relu6": lambda _, value: _between(value, 0, 6),
}
