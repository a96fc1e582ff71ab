"""How much memory a forward pass holds at once, from when each storage is made, last used and let go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import accumulate
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.parameters import BYTES, as_type
from ucseg_cli.facts.trace import Op, Trace


class Held(NamedTuple):
    """A storage alive at the peak.

    Args:
        bytes: its size.
        shape, dtype: of the tensor it was made for.
        module, op: whose forward made it, and the operator as the model called it; *op* is empty for the input.
        needed: whether an operator from then on reads or writes it, or it is the model's input or output.
    """

    bytes: int
    shape: tuple[int, ...]
    dtype: str
    module: str
    op: str
    needed: bool


class Peak(NamedTuple):
    """The moment at which most is alive.

    Args:
        bytes: the storages alive together, the input among them; weights and buffers are not.
        input_bytes: the part of it that is the model's input.
        module, op: whose forward runs then, and the operator as the model called it; *op* is empty where none runs.
        alive: the storages, largest first.
    """

    bytes: int
    input_bytes: int
    module: str
    op: str
    alive: tuple[Held, ...]

    @property
    def overdue(self) -> tuple[Held, ...]:
        """What is alive although nothing needs it any more."""
        return tuple(held for held in self.alive if not held.needed)


class Life(NamedTuple):
    """A storage that is the model's input or made by an operator: alive while operators *begin* to *end* - 1 run.

    *tensor* is the first on it, *used* one more than the last operator that reads or writes it.
    """

    storage: int
    tensor: int
    begin: int
    end: int
    used: int


def peak_memory(trace: Trace, dtype: str | None = None) -> Peak:
    """The peak as the program holds its tensors: a storage lives until the last Python reference to it goes.

    With *dtype*, as if every floating-point tensor were of that type. What a kernel allocates for itself is not seen.
    """
    return _peak(trace, storage_lives(trace), dtype)


def least_memory(trace: Trace, dtype: str | None = None) -> Peak:
    """The peak if each storage were let go after its last use: no run of these operators in this order needs less."""
    return _peak(trace, [life._replace(end=life.used) for life in storage_lives(trace)], dtype)


def weights_bytes(trace: Trace, dtype: str | None = None) -> int:
    """Parameters and buffers, each once; with *dtype*, floating-point ones as if of that type."""
    weights = {
        weight.tensor
        for module in trace.modules
        for weight in (*module.parameters, *module.buffers)
    }
    rows = map(trace.tensors.__getitem__, weights)
    return sum(row.numel * BYTES[as_type(row.dtype, dtype)] for row in rows)


def real_run_bytes(trace: Trace) -> int:
    """An upper estimate of what a run on real tensors in eval mode needs, in bytes.

    Weights, twice the peak of the activations (the counters keep some alive that the model has let go), and what a
    convolution may unfold at most: its input once for each tap of the kernel.
    """
    unfolded = max(map(partial(_unfolded_bytes, trace), trace.ops), default=0)
    return weights_bytes(trace) + 2 * peak_memory(trace).bytes + unfolded


def storage_lives(trace: Trace) -> list[Life]:
    """When each storage is alive, inputs first. What is there before an operator made it, as weights are, is left out."""
    end, first = len(trace.ops) + 1, _first_tensors(trace)
    used = {trace.tensors[tensor].storage: end for tensor in (*trace.inputs, *trace.outputs)}
    for index, op in reversed([*trace.kernels()]):
        for storage in _storages(trace, (*op.inputs, *op.outputs)):
            used.setdefault(storage, index + 1)
    freed = [end if at is None else at for at in trace.freed]
    return [
        Life(storage, tensor, begin, max(freed[storage], begin + 1), used[storage])
        for storage, (tensor, begin) in first.items()
    ]


def _first_tensors(trace: Trace) -> dict[int, tuple[int, int]]:
    """For each storage that is an input or made by an operator: the first tensor on it, and that operator."""
    first = {trace.tensors[tensor].storage: (tensor, 0) for tensor in trace.inputs}
    there_before: set[int] = set()
    for index, op in trace.kernels():
        there_before.update(
            storage for storage in _storages(trace, op.inputs) if storage not in first
        )
        for tensor in op.outputs:
            if (storage := trace.tensors[tensor].storage) not in there_before:
                first.setdefault(storage, (tensor, index))
    return first


def _peak(trace: Trace, lives: Sequence[Life], dtype: str | None) -> Peak:
    moment = _fullest_moment(trace, lives, dtype)
    alive = [life for life in lives if life.begin <= moment < life.end]
    inputs = {trace.tensors[tensor].storage for tensor in trace.inputs}
    module, op = _call(trace, moment) if trace.ops else ("", "")
    return Peak(
        bytes=sum(_size(trace, life, dtype) for life in alive),
        input_bytes=sum(_size(trace, life, dtype) for life in lives if life.storage in inputs),
        module=module,
        op=op,
        alive=tuple(
            sorted(
                (_held(trace, life, moment, dtype) for life in alive), key=lambda held: -held.bytes
            )
        ),
    )


def _fullest_moment(trace: Trace, lives: Iterable[Life], dtype: str | None) -> int:
    """The first operator during which most bytes are alive."""
    changes = [0] * (len(trace.ops) + 2)
    for life in lives:
        changes[life.begin] += _size(trace, life, dtype)
        changes[life.end] -= _size(trace, life, dtype)
    alive = list(accumulate(changes))
    return alive.index(max(alive))


def _held(trace: Trace, life: Life, moment: int, dtype: str | None) -> Held:
    tensor = trace.tensors[life.tensor]
    module, op = ("", "") if life.tensor in trace.inputs else _call(trace, life.begin)
    return Held(
        bytes=_size(trace, life, dtype),
        shape=tensor.shape,
        dtype=as_type(tensor.dtype, dtype),
        module=module,
        op=op,
        needed=moment < life.used,
    )


def _call(trace: Trace, kernel: int) -> tuple[str, str]:
    """The module whose forward runs a kernel, and the operator as the model called it."""
    op = trace.ops[kernel]
    return trace.modules[op.module].path, op.name if op.parent is None else trace.ops[
        op.parent
    ].name


def _size(trace: Trace, life: Life, dtype: str | None) -> int:
    size, own = trace.storages[life.storage], trace.tensors[life.tensor].dtype
    return size if as_type(own, dtype) == own else size // BYTES[own] * BYTES[as_type(own, dtype)]


def _storages(trace: Trace, tensors: Iterable[int | None]) -> Iterable[int]:
    return (trace.tensors[tensor].storage for tensor in tensors if tensor is not None)


def _unfolded_bytes(trace: Trace, op: Op) -> int:
    if op.name != "convolution" or set(op.attributes["dilation"]) == {1}:
        return 0
    kernel, out = trace.shape(op.inputs[1]) or (), trace.shape(op.outputs[0]) or ()
    return 4 * prod(kernel[1:]) * prod(out[2:])
