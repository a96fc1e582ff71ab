"""A member of the family is the same network on inputs of any size."""

from __future__ import annotations

from ucseg_cli.facts.trace import Op, Trace

SIZES = {"output_size", "size"}
"""Attributes that hold shapes."""


def shapeless(trace: Trace) -> tuple[object, ...]:
    """All of a trace that does not depend on the size of its input."""
    tensors = [(tensor.dtype, tensor.storage, len(tensor.shape)) for tensor in trace.tensors]
    ends = trace.inputs, trace.outputs, trace.taps
    return trace.modules, list(map(_without_shapes, trace.ops)), ends, tensors


def _without_shapes(op: Op) -> Op:
    return op._replace(
        attributes={key: value for key, value in op.attributes.items() if key not in SIZES}
    )
