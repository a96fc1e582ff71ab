"""A trace as it would be with fewer channels: other shapes, weights and storages, the same pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ucseg_cli.analysis.narrowing.channel_axes import Axes, fills_storage
from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.trace import Op, Tensor, Trace

SIZES = ("size", "shape")
"""Arguments that are the shape of what a call makes."""


def narrower_trace(
    trace: Trace, axes: Mapping[int, Axes], lengths: Sequence[int], variable: int, length: int
) -> Trace | None:
    """The trace with another *length* of one variable of the *axes*, which are resolved.

    None if the tensors on a storage do not agree on its size.
    """
    known = dict(enumerate(lengths))
    known[variable] = length
    shapes = {
        tensor: tuple(sum(known[term.variable] * term.times for term in axis) for axis in layouts)
        for tensor, layouts in axes.items()
        if any(term.variable == variable for axis in layouts for term in axis)
    }
    tensors = list(trace.tensors)
    for tensor, shape in shapes.items():
        tensors[tensor] = tensors[tensor]._replace(shape=shape)
    storages = _storages(trace, tensors, shapes)
    if storages is None:
        return None
    ops = tuple(_op(trace, tensors, op, shapes) for op in trace.ops)
    return replace(trace, tensors=tuple(tensors), storages=storages, ops=ops)


def _storages(
    trace: Trace, tensors: Sequence[Tensor], changed: Mapping[int, Any]
) -> tuple[int, ...] | None:
    """Bytes of each storage, from the tensors that fill it."""
    storages = list(trace.storages)
    touched = {tensors[tensor].storage for tensor in changed}
    found: dict[int, set[int]] = {}
    for before, after in zip(trace.tensors, tensors, strict=True):
        if before.storage in touched and fills_storage(trace, before):
            sizes = found.setdefault(before.storage, set())
            sizes.add(size_in_bytes(after.numel, after.dtype))
    for storage, sizes in found.items():
        if len(sizes) > 1:
            return None
        storages[storage] = next(iter(sizes))
    return tuple(storages)


def _op(trace: Trace, tensors: Sequence[Tensor], op: Op, changed: Mapping[int, Any]) -> Op:
    """The call with the arguments that are lengths of its tensors."""
    if changed.keys().isdisjoint((*op.inputs, *op.outputs)):
        return op
    attributes = dict(op.attributes)
    first = next((tensor for tensor in op.inputs if tensor is not None), None)
    for name, value in op.attributes.items():
        if name in SIZES and op.outputs:
            out = op.outputs[0]
            attributes[name] = _resized(value, trace.tensors[out].shape, tensors[out].shape)
        elif first is not None and name in _OF_SOURCE:
            old, new = trace.tensors[first].shape, tensors[first].shape
            attributes[name] = _OF_SOURCE[name](value, old, new)
    return op._replace(attributes=attributes)


def _resized(value: Any, old: tuple[int, ...], new: tuple[int, ...]) -> Any:
    if not isinstance(value, tuple) or len(value) != len(old):
        return value
    triples = zip(value, old, new, strict=True)
    return tuple(after if given == before else given for given, before, after in triples)


def _groups(value: int, old: tuple[int, ...], new: tuple[int, ...]) -> int:
    """Depthwise, there are as many groups as channels."""
    return new[1] if value > 1 and value == old[1] else value


def _normalized(value: tuple[int, ...], old: tuple[int, ...], new: tuple[int, ...]) -> Any:
    return new[len(old) - len(value) :]


def _channels(value: int, old: tuple[int, ...], new: tuple[int, ...]) -> int:
    return new[1] if value == old[1] else value


_OF_SOURCE: Mapping[str, Callable[..., Any]] = {
    "groups": _groups,
    "normalized_shape": _normalized,
    "C": _channels,
}
"""Arguments that follow from the shape of the first input."""
