"""How many input pixels lie between neighbouring positions of a feature map, by following the operators."""

from __future__ import annotations

from fractions import Fraction

from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.trace import Op, Trace

Stride = tuple[Fraction, Fraction]
"""Along height and width."""

SPATIAL_DIMENSIONS = 4
STRIDED = {"convolution", "max_pool2d_with_indices", "avg_pool2d"}


@once_per_trace
def strides(trace: Trace) -> dict[int, Stride]:
    """The stride of each N×C×H×W tensor relative to the input, by tensor index.

    A tensor has none where the path to it has no fixed grid: after global pooling, flattening, or an operator that is
    not known here. What combines several maps takes the stride of the first that has its height and width.
    """
    known: dict[int, Stride] = {tensor: (Fraction(1), Fraction(1)) for tensor in trace.inputs if _is_map(trace, tensor)}
    for _, op in trace.kernels():
        if (stride := _stride(trace, op, known)) is not None:
            known.update(dict.fromkeys((out for out in op.outputs if _is_map(trace, out)), stride))
    return known


def whole_stride(stride: Stride | None) -> int | None:
    """The stride where it is one whole number along both axes."""
    if stride is None or stride[0] != stride[1] or stride[0].denominator != 1:
        return None
    return stride[0].numerator


def _stride(trace: Trace, op: Op, known: dict[int, Stride]) -> Stride | None:
    if op.name in STRIDED:
        return _strided(op, known)
    source = op.inputs[0] if op.inputs else None
    if op.name.startswith("upsample_") and source in known:
        return _resized(trace, op, known[source])
    return _carried(trace, op, known)


def _strided(op: Op, known: dict[int, Stride]) -> Stride | None:
    source = op.inputs[0]
    if source not in known or op.attributes.get("transposed"):
        return None
    steps = op.attributes.get("stride") or op.attributes.get("kernel_size") or (1, 1)
    down, across = known[source]
    return down * steps[0], across * steps[-1]


def _resized(trace: Trace, op: Op, stride: Stride) -> Stride:
    before, after = trace.shape(op.inputs[0]) or (), trace.shape(op.outputs[0]) or ()
    return stride[0] * Fraction(before[2], after[2]), stride[1] * Fraction(before[3], after[3])


def _carried(trace: Trace, op: Op, known: dict[int, Stride]) -> Stride | None:
    out = trace.shape(op.outputs[0]) if op.outputs else None
    for source in op.inputs:
        if source in known and out is not None and (trace.shape(source) or ())[2:] == out[2:]:
            return known[source]
    return None


def _is_map(trace: Trace, tensor: int | None) -> bool:
    return len(trace.shape(tensor) or ()) == SPATIAL_DIMENSIONS
