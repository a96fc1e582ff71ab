"""Which axes of a trace's tensors must stay equally long, operator by operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ucseg_cli.analysis.narrowing.channel_layouts import Layout, Layouts
from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.trace import HELD, Op, Tensor, Trace

OUTPUT = "it is the shape of the model's output"
INPUT = "it is the shape of the model's input"
CONSTANT = "it is the shape of a tensor that is not a parameter"
NO_CHANNELS = "it is not a number of channels"
SHARED_MEMORY = "its tensors share memory in a way that is not followed"

ATTENTION = "MultiheadAttention"

Axes = tuple[Layout, ...]
"""The layout of each axis of a tensor."""


class ChannelAxes:
    """The layouts of every tensor's axes; rules link them, and what they cannot follow is fixed."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.layouts = Layouts()
        self._axes: dict[int, Axes] = {}
        self._products: list[tuple[Layout, Layout]] = []
        owned = (weight for m in trace.modules for weight in (*m.parameters, *m.buffers))
        self._owned = {weight.tensor for weight in owned}

    def of(self, tensor: int) -> Axes:
        """The layouts of a tensor's axes; one that no operator made is the model's, or fixed."""
        if tensor not in self._axes:
            given = INPUT if tensor in self.trace.inputs else CONSTANT
            reason = None if tensor in self._owned else given
            self._axes[tensor] = self.fresh(self.shape(tensor), reason)
        return self._axes[tensor]

    def fresh(self, shape: Iterable[int], reason: str | None) -> Axes:
        """Axes of their own."""
        return tuple(self.layouts.new(length, reason) for length in shape)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self.trace.tensors[tensor].shape

    def made(self, op: Op, tensor: int, axes: Sequence[Layout]) -> bool:
        """An operator made a tensor with these axes; False if they do not fit it."""
        if tuple(map(self.layouts.length, axes)) != self.shape(tensor):
            return False
        if tensor in self._axes:
            self.equate(op, self._axes[tensor], axes)
        else:
            self._axes[tensor] = tuple(axes)
        return True

    def equate(self, op: Op, one: Iterable[Layout], other: Iterable[Layout]) -> None:
        """Each axis of one is the same as that of the other, since an operator needs it."""
        for left, right in zip(one, other, strict=True):
            self.layouts.equate(left, right, self.reason(op))

    def fix(self, tensors: Iterable[int | None], reason: str) -> None:
        """Fix every axis of tensors."""
        for tensor in tensors:
            for layout in () if tensor is None else self.of(tensor):
                self.layouts.fix(layout, reason)

    def note_product(self, read: Layout, made: Layout) -> None:
        """A product reads one axis and makes another."""
        self._products.append((read, made))

    def fix_read_for(self, tensors: Iterable[int | None], reason: str) -> None:
        """Fix what products read that made these tensors.

        A linear layer that makes the heads of an attention reads as many channels as they have.
        """
        resolve = self.layouts.resolve
        layouts = (layout for tensor in tensors if tensor is not None for layout in self.of(tensor))
        variables = {term.variable for layout in layouts for term in resolve(layout)}
        for read, made in self._products:
            if not variables.isdisjoint(term.variable for term in resolve(made)):
                self.layouts.fix(read, reason)

    def reason(self, op: Op) -> str:
        """The operator that fixes what it reads and makes."""
        return f"{op.name} in {self.trace.modules[op.module].path or 'the model'} is not followed"

    def resolved(self) -> dict[int, Axes]:
        """Each tensor that an operator reads or makes, in variables that are made of no others."""
        resolve = self.layouts.resolve
        return {tensor: tuple(map(resolve, axes)) for tensor, axes in self._axes.items()}


def fix_attention(axes: ChannelAxes) -> None:
    """Fix what torch's own attention reads: it makes as many channels, whatever its heads are."""
    trace = axes.trace
    for path in (module.path for module in trace.modules if module.type == ATTENTION):
        inside = (module for module in trace.modules if f"{module.path}.".startswith(f"{path}."))
        owned = (weight.tensor for module in inside for weight in module.parameters)
        axes.fix(owned, f"{ATTENTION} in {path or 'the model'} keeps its width")


def fix_ends(axes: ChannelAxes) -> None:
    """Fix what the model returns, what a call takes another way for, and storages not understood.

    The bytes of a storage follow from a tensor that fills it.
    """
    trace = axes.trace
    axes.fix(trace.outputs, OUTPUT)
    for op in trace.ops:
        if HELD in op.attributes:
            axes.fix((*op.inputs, *op.outputs), axes.reason(op))
    filled = {tensor.storage for tensor in trace.tensors if fills_storage(trace, tensor)}
    for index, tensor in enumerate(trace.tensors):
        if tensor.storage not in filled:
            axes.fix([index], SHARED_MEMORY)


def fills_storage(trace: Trace, tensor: Tensor) -> bool:
    """Whether a tensor has as many bytes as its storage."""
    return size_in_bytes(tensor.numel, tensor.dtype) == trace.storages[tensor.storage]
