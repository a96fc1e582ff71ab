"""The bytes that kernels move to and from memory: each reads and writes what it needs once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.parameters import as_type
from ucseg_cli.analysis.geometry.operator_kinds import REDRAWN_IN_PLACE
from ucseg_cli.analysis.memory.peak_memory import fused_calls, moves_between_devices
from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.trace import Op, Trace

ALLOCATING = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
"""They make a storage and write nothing to it."""
TOUCHING_NOTHING = ALLOCATING | REDRAWN_IN_PLACE | {"detach_", "lift", "lift_fresh"}
RANDOM = frozenset({"bernoulli_", "exponential_", "normal_", "random_", "uniform_"})
OVERWRITING = RANDOM | {"copy_", "fill_", "zero_"}
"""They write over their first input without reading it; ``zeros_like`` only asks for its shape."""
GATHERING = frozenset({"embedding", "gather", "index", "index_select", "take"})
"""They read of their first input as much as they give."""
SCATTERING = frozenset({"index_copy_", "index_put_", "scatter_"})
"""They write over as many elements of their first input as they are given."""


class Moved(NamedTuple):
    """The bytes that a kernel moves; *op* is its index, or that of the call that it runs whole."""

    op: int
    module: str
    bytes: int


def moved(trace: Trace, dtype: str | None = None) -> Iterator[Moved]:
    """The bytes of each kernel in order; with *dtype*, as if floating-point tensors were of it.

    Inputs, weights and outputs, each byte once; views and new empty tensors move none. A call that
    is one kernel on the CPU, such as attention, moves what goes into it and what comes out.
    """
    tensors, whole = _Tensors(trace, dtype), fused_calls(trace)
    copies = moves_between_devices(trace)
    for index, op in enumerate(trace.ops):
        if index not in whole and (op.composite or op.parent in whole):
            continue
        is_move = op.name == "_to_copy" and trace.tensors[op.outputs[0]].storage in copies
        size = 0 if is_move or op.name in TOUCHING_NOTHING else tensors.moved_by(op)
        yield Moved(index, trace.modules[op.module].path, size)


def own_moved_bytes(trace: Trace, dtype: str | None = None) -> dict[str, int]:
    """The bytes that each module's own forward moves, by path, without children."""
    own = dict.fromkeys((module.path for module in trace.modules), 0)
    for kernel in moved(trace, dtype):
        own[kernel.module] += kernel.bytes
    return own


def moved_bytes(trace: Trace, dtype: str | None = None) -> int:
    """The bytes that the whole network moves."""
    return sum(kernel.bytes for kernel in moved(trace, dtype))


class _Tensors:
    """The tensors of a trace: the storage of each, its bytes, and those of all its storage."""

    def __init__(self, trace: Trace, dtype: str | None) -> None:
        self._trace = trace
        self._sizes = list(_sizes(trace, dtype))

    def moved_by(self, op: Op) -> int:
        """The bytes that a kernel reads and writes; none if it only makes a view."""
        inputs = [tensor for tensor in op.inputs if tensor is not None]
        if self._trace.is_view(op):
            return 0
        written = self._bytes(op.outputs)
        if op.name in GATHERING:
            return min(self._bytes(inputs[:1]), written) + self._bytes(inputs[1:]) + written
        if op.name in SCATTERING:
            return self._bytes(inputs[1:]) + min(written, self._scattered(inputs))
        if op.name in OVERWRITING or op.name.startswith("new_") or op.name.endswith("_like"):
            inputs = inputs[1:]
        elif not op.name.endswith("_"):  # what it returns of its inputs is an ``out=`` to write to
            inputs = [tensor for tensor in inputs if tensor not in op.outputs]
        return self._bytes(inputs) + written

    def _bytes(self, tensors: Sequence[int]) -> int:
        """Each of these tensors once; those on one storage have no more than that has."""
        if len(tensors) == 1:  # as nearly every output
            _, size, whole = self._sizes[tensors[0]]
            return min(size, whole)
        found: dict[int, tuple[int, int]] = {}
        for tensor in dict.fromkeys(tensors):
            storage, size, whole = self._sizes[tensor]
            before = found.get(storage)
            found[storage] = (size if before is None else before[0] + size), whole
        return sum(map(min, found.values()))

    def _scattered(self, inputs: list[int]) -> int:
        """The bytes of the elements that are written to the first of *inputs*."""
        first, *others = (prod(self._trace.tensors[tensor].shape) for tensor in inputs)
        return max(others, default=0) * self._bytes(inputs[:1]) // first if first else 0


def _sizes(trace: Trace, dtype: str | None) -> Iterator[tuple[int, int, int]]:
    """The storage of each tensor, its bytes, and those of the storage.

    Where an element type is not known here, they are those of the storage, which torch knows.
    """
    types = {tensor.dtype for tensor in trace.tensors if tensor.dtype in BITS}
    bits = {own: (BITS[as_type(own, dtype)], BITS[own]) for own in types}
    for shape, own, storage in trace.tensors:
        size = whole = trace.storages[storage]
        if own in bits:
            known, recorded = bits[own]
            size, whole = -(-prod(shape) * known // 8), whole * known // recorded
        yield storage, size, whole
