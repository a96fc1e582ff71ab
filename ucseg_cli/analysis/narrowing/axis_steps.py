"""One step down along each axis of a design, and why an axis has none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ucseg_cli.facts.trace import ConstructorAxis
from ucseg_cli.references import Argument, Buildable, Model, Reference, with_arguments, with_axes
from ucseg_cli.references.variants import AXES, Variant
from ucseg_cli.references.variants.axes import MIN_BACKBONE
from ucseg_cli.references.variants.axis_values import Value


class AxisStep(NamedTuple):
    """A design one step down along one axis.

    Args:
        axis: its name. before, after: its values, as they are shown.
        reference: the model after the step, and what it stands for.
        same_function: whether the model computes the same as before, from the same weights.
    """

    axis: str
    before: str
    after: str
    reference: Reference
    same_function: bool = False


class LeftOut(NamedTuple):
    """An axis without a step down from its *value*, and why."""

    axis: str
    value: str
    reason: str


Steps = tuple[list[AxisStep], list[LeftOut]]

LEAST = "it is at its least"
NO_KNOBS = {
    "dropout": "no count depends on it",
    "classes": "the task sets it, and it is the shape of the output",
}
"""Axes of the family without a step, whatever their value is, and why."""


def quarter_fewer(channels: int) -> int:
    """A quarter fewer: the quarter is rounded down, and is at least one. 64 is 48, and 7 is 6."""
    return channels - max(1, channels // 4)


def family_steps(reference: Reference, variant: Variant) -> Steps:
    """The steps of a variant of the built-in family, in the order of its axes."""
    steps: list[AxisStep] = []
    left_out: list[LeftOut] = []
    for axis in AXES:
        value = getattr(variant, axis.name)
        found = [] if axis.name in NO_KNOBS else list(_STEPS[axis.name](value))
        for lower in found:
            changed: dict[str, Any] = {axis.name: lower}
            model = variant._replace(**changed)
            name = with_axes(reference.name, {axis.name: axis.write(lower)})
            steps.append(
                AxisStep(
                    axis.name,
                    axis.show(value),
                    axis.show(lower),
                    Reference(name, model),
                    axis.same_function,
                )
            )
        if not found:
            why = NO_KNOBS.get(axis.name, LEAST)
            left_out.append(LeftOut(axis.name, axis.show(value), why))
    return steps, left_out


def argument_steps(name: str, source: Buildable, axes: Iterable[ConstructorAxis]) -> Steps:
    """The steps of a user's or a library's design: one for each argument that is an integer.

    Where its annotation closes the values, a step goes to the next lower one.
    """
    steps: list[AxisStep] = []
    left_out: list[LeftOut] = []
    for axis in axes:
        if type(axis.value) is not int:
            continue
        lower = _lower_choice(axis) if axis.choices else _lower_number(axis.value)
        if lower is None:
            left_out.append(LeftOut(axis.name, str(axis.value), LEAST))
            continue
        argument = Argument.of(axis.name, lower)
        model: Model = with_arguments(source, [argument], name)
        reference = Reference(with_axes(name, {axis.name: argument.text}), model)
        steps.append(AxisStep(axis.name, str(axis.value), str(lower), reference))
    return steps, left_out


def _lower_number(value: int) -> int | None:
    return quarter_fewer(value) if value > 0 else None


def _lower_choice(axis: ConstructorAxis) -> int | None:
    known = (int(choice) for choice in axis.choices if choice.removeprefix("-").isdecimal())
    return max((number for number in known if number < axis.value), default=None)


def _fewer_channels(channels: int) -> Iterator[Value]:
    if channels > 1:
        yield quarter_fewer(channels)


def _one_less(least: int) -> Callable[[int], Iterator[Value]]:
    def lower(value: int) -> Iterator[Value]:
        if value > least:
            yield value - 1

    return lower


def _without_the_widest(rates: tuple[int, ...]) -> Iterator[Value]:
    if len(rates) > 1:
        widest = max(range(len(rates)), key=rates.__getitem__)
        yield (*rates[:widest], *rates[widest + 1 :])


def _narrower_or_none(channels: int) -> Iterator[Value]:
    if channels > 1:
        yield quarter_fewer(channels)
    if channels:
        yield 0


def _to(target: Value) -> Callable[[Value], Iterator[Value]]:
    def lower(value: Value) -> Iterator[Value]:
        if value != target:
            yield target

    return lower


_STEPS: Mapping[str, Callable[..., Iterator[Value]]] = {
    "backbone": _one_less(MIN_BACKBONE),
    "output_stride": _to(32),
    "rates": _without_the_widest,
    "conv": _to("separable"),
    "decoder_blocks": _one_less(1),
    "aspp_channels": _fewer_channels,
    "mid_channels": _fewer_channels,
    "decoder_channels": _fewer_channels,
    "low_skip": _narrower_or_none,
    "head": _to("before-upsample"),
}
"""The values that are one step below a value, by axis."""
