"""A variant of the family: one value on each axis."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.references.variants import layout
from ucseg_cli.references.variants.axes import AXES, Axis
from ucseg_cli.references.variants.axis_values import Value

AxisValue = tuple[Axis, Value]
AxisValues = tuple[AxisValue, ...]
"""Every axis of a design with its value in one variant."""

ABSENT = "absent"
"""The value of an axis that a design has at one revision and not at another."""


class Variant(NamedTuple):
    """One point of the design space. Two variants with equal values are the same network."""

    backbone: int
    output_stride: int
    rates: tuple[int, ...]
    conv: str
    decoder_blocks: int
    aspp_channels: int
    mid_channels: int
    decoder_channels: int
    low_skip: int
    head: str
    dropout: float
    classes: int

    @property
    def taps(self) -> dict[str, str]:
        """The family's taps by name: the module whose output each is."""
        high = f"{layout.FEATURES}.{self.backbone - 1}"
        return {"low": layout.LOW_TAP, "mid": layout.MID_TAP, "high": high}

    @property
    def key(self) -> str:
        """Every axis in the reference grammar: equal for equal networks, whatever their names."""
        return "+".join(f"{axis.name}={axis.write(getattr(self, axis.name))}" for axis in AXES)

    @property
    def values(self) -> AxisValues:
        """The value on each axis."""
        return tuple((axis, getattr(self, axis.name)) for axis in AXES)

    def roles(self) -> dict[str, str]:
        """The role of each ASPP branch by path: branches are compared by role, not by index."""
        atrous = (_atrous_role(self.rates[:count]) for count in range(1, len(self.rates) + 1))
        roles = enumerate(("1×1", *atrous, "image pooling"))
        return {f"{layout.BRANCHES}.{index}": f"{layout.BRANCHES}[{role}]" for index, role in roles}

    def governing_axes(self, path: str) -> tuple[str, ...]:
        """The axes that decide what the module at *path* costs."""
        for place, axes in _GOVERNED.items():
            if f"{path}.".startswith(f"{place}."):
                return axes
        return ()


_GOVERNED = {
    layout.FEATURES: ("backbone",),
    layout.BRANCHES: ("rates", "conv", "aspp_channels"),
    layout.PROJECT: ("aspp_channels", "rates"),
    layout.MID_CONV: ("mid_channels",),
    layout.DECODER: ("conv", "decoder_channels", "decoder_blocks"),
    layout.LOW_CONV: ("low_skip",),
    layout.REFINE: ("low_skip", "conv", "decoder_channels"),
    layout.CLASSIFIER: ("head", "classes", "decoder_channels"),
}


class Change(NamedTuple):
    """One axis on which two variants differ."""

    axis: Axis
    before: Value
    after: Value

    def __str__(self) -> str:
        return f"{self.axis.name} {self.axis.show(self.before)} → {self.axis.show(self.after)}"


def changes(before: AxisValues, after: AxisValues) -> tuple[Change, ...]:
    """The axes on which two variants of one design differ, in the declared order."""
    old = {axis.name: value for axis, value in before}
    new = {axis.name: value for axis, value in after}
    axes = {axis.name: axis for axis, _ in (*after, *before)}
    pairs = ((axis, old.get(name, ABSENT), new.get(name, ABSENT)) for name, axis in axes.items())
    return tuple(Change(axis, one, other) for axis, one, other in pairs if one != other)


def _atrous_role(rates: tuple[int, ...]) -> str:
    """The last of *rates* by name, numbered where it came before: no two roles are equal."""
    *before, rate = rates
    return f"rate {rate} #{before.count(rate) + 1}" if rate in before else f"rate {rate}"
