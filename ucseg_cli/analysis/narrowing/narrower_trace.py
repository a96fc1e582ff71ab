"""A trace as it would be with fewer channels: other shapes, weights and storages, the same pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ucseg_cli.analysis.narrowing.channel_axes import Axes, ChannelAxes, fills_storage
from ucseg_cli.analysis.narrowing.channel_layouts import Layout
from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.trace import Op, Tensor, Trace

SIZES = ("size", "shape")
"""Arguments that are the shape of what a call makes."""


class Narrower:
    """Rewrites a trace for other lengths of variables of its linked *axes*."""

    def __init__(self, axes: ChannelAxes) -> None:
        self._trace, self._lengths = axes.trace, axes.layouts.lengths
        self.axes: dict[int, Axes] = axes.resolved()
        self._tensors: defaultdict[int, dict[int, None]] = defaultdict(dict)
        self._ops: defaultdict[int, list[int]] = defaultdict(list)
        self._filling: defaultdict[int, list[int]] = defaultdict(list)
        for tensor, layouts in self.axes.items():
            for term in (term for axis in layouts for term in axis):
                self._tensors[term.variable][tensor] = None
        for place, op in enumerate(self._trace.ops):
            for touched in {*op.inputs, *op.outputs}:
                self._ops[-1 if touched is None else touched].append(place)
        for index, row in enumerate(self._trace.tensors):
            if fills_storage(self._trace, row):
                self._filling[row.storage].append(index)

    def trace(self, lengths: Mapping[int, int]) -> Trace | None:
        """The trace with these *lengths* of variables.

        None if the tensors on a storage disagree on its size.
        """
        changed = {tensor: None for variable in lengths for tensor in self._tensors[variable]}
        tensors = list(self._trace.tensors)
        for tensor in changed:
            shape = (self._length(axis, lengths) for axis in self.axes[tensor])
            tensors[tensor] = tensors[tensor]._replace(shape=tuple(shape))
        storages = self._storages(tensors, changed)
        if storages is None:
            return None
        ops = list(self._trace.ops)
        for index in {index for tensor in changed for index in self._ops[tensor]}:
            ops[index] = _op(self._trace, tensors, ops[index])
        return replace(
            self._trace, tensors=tuple(tensors), storages=tuple(storages), ops=tuple(ops)
        )

    def _length(self, axis: Layout, lengths: Mapping[int, int]) -> int:
        return sum(
            term.times * lengths.get(term.variable, self._lengths[term.variable]) for term in axis
        )

    def _storages(self, tensors: Sequence[Tensor], changed: Iterable[int]) -> list[int] | None:
        """Bytes of each storage, from the tensors that fill it."""
        storages = list(self._trace.storages)
        for storage in {tensors[tensor].storage for tensor in changed}:
            rows = (tensors[tensor] for tensor in self._filling[storage])
            sizes = {size_in_bytes(row.numel, row.dtype) for row in rows}
            if len(sizes) != 1:
                return None
            storages[storage] = sizes.pop()
        return storages


def _op(trace: Trace, tensors: Sequence[Tensor], op: Op) -> Op:
    """The call with the arguments that are lengths of its tensors."""
    attributes = dict(op.attributes)
    first = next((tensor for tensor in op.inputs if tensor is not None), None)
    for name, value in op.attributes.items():
        if name in SIZES and op.outputs:
            out = op.outputs[0]
            attributes[name] = _resized(value, trace.tensors[out].shape, tensors[out].shape)
        elif name in _OF_PARTS:
            dim = op.attributes.get("dim", 0)
            attributes[name] = _OF_PARTS[name]([tensors[out].shape[dim] for out in op.outputs])
        elif name == "stride" and op.name != "as_strided_":
            continue
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


def _laid_out(
    value: tuple[int, ...], old: tuple[int, ...], new: tuple[int, ...]
) -> tuple[int, ...]:
    """The strides of a pooled map, whose channels lie side by side."""
    if len(old) != len(value):
        return value
    return tuple(new[1] if stride == old[1] else stride for stride in value)


_OF_SOURCE: Mapping[str, Callable[..., Any]] = {
    "groups": _groups,
    "normalized_shape": _normalized,
    "C": _channels,
    "stride": _laid_out,
}
"""Arguments that follow from the shape of the first input."""
_OF_PARTS: Mapping[str, Callable[[list[int]], Any]] = {"split_size": max, "split_sizes": tuple}
"""Arguments that follow from the lengths of the parts."""
