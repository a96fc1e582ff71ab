"""The shapes of a network's taps: the feature maps that others build on."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.stride import strides, whole_stride
from ucseg_cli.trace import Trace


class TapShape(NamedTuple):
    """One tap. *stride* is in input pixels, along height and width; None where the map has no fixed grid."""

    name: str
    module: str
    shape: tuple[int, ...]
    stride: tuple[Fraction, Fraction] | None

    @property
    def whole_stride(self) -> int | None:
        """The stride where it is one whole number along both axes."""
        return whole_stride(self.stride)


def tap_shapes(trace: Trace) -> tuple[TapShape, ...]:
    """Each tap of the trace that produced a tensor, in order."""
    known = strides(trace)
    measured = ((tap, trace.by_path[tap.module].outputs) for tap in trace.taps)
    return tuple(
        TapShape(tap.name, tap.module, trace.tensors[outputs[0]].shape, known.get(outputs[0]))
        for tap, outputs in measured
        if outputs
    )
