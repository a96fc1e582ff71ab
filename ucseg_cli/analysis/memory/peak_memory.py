"""The memory that a forward pass needs at once: when storages are made, last used and freed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import shape
from ucseg_cli.analysis.counting.operations import whole_call
from ucseg_cli.analysis.counting.parameters import as_type, total_params
from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.trace import HELD, KERNEL, Op, Trace

ATTENTION = "scaled_dot_product_attention"
RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
INSIDE = -1
"""In place of the storage's number, for one that no row of the trace has."""
MADE_OF_VALUES = "tensor"
"""It makes a storage of Python's values, ``torch.tensor`` or its kin; no operator does."""


class Held(NamedTuple):
    """A storage alive at the peak.

    Args:
        bytes: its size.
        shape, dtype: of the tensor it was made for.
        module, op: whose forward made it, and the model's call; *op* is empty for the input, and
            ``tensor`` for what was made of Python's values.
        needed: whether an operator still reads or writes it, or it is the input or the output.
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
        bytes: the storages alive together, with the input, without weights and buffers.
        input_bytes: the part of it that is the model's input.
        module, op: whose forward runs then, and the model's call; *op* is empty if none runs.
        alive: the storages that have any bytes, largest first.
    """

    bytes: int
    input_bytes: int
    module: str
    op: str
    alive: tuple[Held, ...]

    @property
    def overdue(self) -> tuple[Held, ...]:
        """The storages that are alive although nothing needs them any more."""
        return tuple(held for held in self.alive if not held.needed)


class Life(NamedTuple):
    """A storage that is an input or made in the pass, alive in operators *begin* to *end* - 1.

    *used* is one more than the last operator that reads or writes it.
    """

    storage: int
    held: Held
    begin: int
    end: int
    used: int


def peak_memory(trace: Trace, dtype: str | None = None, *, fused: bool = True) -> Peak:
    """The peak as Python holds tensors: a storage lives until the last reference to it goes.

    With *dtype*, as if every floating-point tensor were of that type. Attention and recurrent
    layers run as the CPU runs them, unless they are not to be *fused*: then as the operators that
    they were recorded as. Memory that a kernel allocates for itself is not seen.
    """
    return _peak(trace, storage_lives(trace, dtype, fused=fused))


def minimum_memory(trace: Trace, dtype: str | None = None) -> Peak:
    """The peak if each storage were freed after its last use: the minimum for this order."""
    lives = storage_lives(trace, dtype)
    return _peak(trace, [life._replace(end=life.used) for life in lives])


def weights_bytes(trace: Trace, dtype: str | None = None) -> int:
    """Parameters and buffers, each once; with *dtype*, floating-point ones as if of that type."""
    return total_params(trace, dtype)["bytes"]


def real_run_bytes(trace: Trace) -> int:
    """An upper estimate of the memory of a run on real tensors in eval mode, in bytes.

    Weights, twice the peak of the activations (the counters keep some alive that the model has
    freed), and the most that a convolution may unfold: its input once for each kernel position.
    """
    unfolded = max((_unfolded_bytes(trace, op) for op in trace.ops), default=0)
    # The counters run attention as the operators that it is made of.
    most = max(peak_memory(trace, fused=fused).bytes for fused in (False, True))
    return weights_bytes(trace) + 2 * most + unfolded


def fused_calls(trace: Trace) -> frozenset[int]:
    """Calls that torch runs as one kernel on the CPU, or as one for each layer, by index."""
    return frozenset(call for call in calls_on_cpu(trace) if KERNEL in trace.ops[call].attributes)


def calls_on_cpu(trace: Trace) -> frozenset[int]:
    """Calls that take another way on the CPU than their parts show, by index."""
    ops = enumerate(trace.ops)
    return frozenset(index for index, op in ops if HELD in op.attributes and "::" not in op.name)


def storage_lives(trace: Trace, dtype: str | None = None, *, fused: bool = True) -> list[Life]:
    """The life of each storage, inputs first; weights, there before any operator, are left out.

    With *fused*, a call that takes another way on the CPU holds what it does there, and not what
    its parts make.
    """
    end = len(trace.ops) + 1
    used = dict.fromkeys(_storages(trace, (*trace.inputs, *trace.outputs)), end)
    # From the end, so that the first use found is the last one of the pass.
    for index, op in reversed([*trace.kernels()]):
        for storage in _storages(trace, (*op.inputs, *op.outputs)):
            used.setdefault(storage, index + 1)
    lives = []
    calls = calls_on_cpu(trace) if fused else frozenset()
    inside = _inside_of(trace, calls)
    for storage, (tensor, begin) in _first_tensors(trace).items():
        if storage in inside:
            continue
        freed = trace.freed[storage]
        # one that is dropped at once was alive while its operator ran
        last = end if freed is None else max(freed, begin + 1)
        lives.append(Life(storage, _held(trace, tensor, begin, dtype), begin, last, used[storage]))
    lives = _without_copies(lives, moves_between_devices(trace))
    return [*lives, *chain.from_iterable(_lives_inside(trace, call, dtype) for call in calls)]


def _lives_inside(trace: Trace, call: int, dtype: str | None) -> Iterator[Life]:
    """Everything that a call holds on the CPU at its fullest moment, as if that were its first.

    The outputs that are among it begin later in the trace, so that nothing counts twice.
    """
    op = trace.ops[call]
    for sides, element, size in op.attributes[HELD]:
        known = as_type(element, dtype)
        if known != element and op.name == ATTENTION and sides == _rows_of_scores(trace, op):
            known = max(known, "float32", key=BITS.__getitem__)  # the kernel adds them up in this
        bytes_then = size if known == element else size * BITS[known] // BITS[element]
        held = Held(bytes_then, sides, known, *call_at(trace, call), needed=True)
        yield Life(INSIDE, held, call, call + 1, call + 1)


def _rows_of_scores(trace: Trace, op: Op) -> tuple[int, ...]:
    return shape(trace, op.outputs[0])[:-1]


def _without_copies(lives: list[Life], copies: Mapping[int, int]) -> list[Life]:
    """Each original instead of its copy, alive until both are gone."""
    by_storage = {life.storage: life for life in lives}
    for copy, original in copies.items():
        if copy in by_storage and original in by_storage:
            gone, kept = by_storage.pop(copy), by_storage[original]
            end, used = max(kept.end, gone.end), max(kept.used, gone.used)
            by_storage[original] = kept._replace(end=end, used=used)
    return list(by_storage.values())


def moves_between_devices(trace: Trace) -> dict[int, int]:
    """Copies that only take a tensor to meta, by storage with that of the original.

    A tensor made on the CPU goes there by ``.to(x.device)``. Where both are one device this returns
    the tensor itself, so that a copy of the same type shows that they were not.
    """
    found: dict[int, int] = {}
    for _, op in trace.kernels():
        if (
            op.name != "_to_copy"
            or op.parent is None
            or trace.ops[op.parent].attributes.get("copy")
        ):
            continue
        source, copy = trace.tensors[op.inputs[0] or 0], trace.tensors[op.outputs[0]]
        if source.dtype == copy.dtype and "memory_format" not in op.attributes:
            found[copy.storage] = found.get(source.storage, source.storage)
    return found


def _held(trace: Trace, index: int, maker: int, dtype: str | None) -> Held:
    """The storage of a tensor, the first on it."""
    tensor = trace.tensors[index]
    size, known = trace.storages[tensor.storage], as_type(tensor.dtype, dtype)
    if known != tensor.dtype:  # else the size is torch's, even if the type is not known here
        size = size * BITS[known] // BITS[tensor.dtype]
    return Held(size, tensor.shape, known, *_maker(trace, index, maker), needed=True)


def _maker(trace: Trace, index: int, kernel: int) -> tuple[str, str]:
    """The module and the call that made a tensor, first seen at a *kernel*."""
    if index in given_tensors(trace):
        return "", ""
    module, call = call_at(trace, kernel)
    return module, MADE_OF_VALUES if index in trace.ops[kernel].inputs else call


def _inside_of(trace: Trace, calls: Collection[int]) -> frozenset[int]:
    """The storages that parts of *calls* make, without those of the calls' own outputs."""
    made: set[int] = set()
    for _, op in trace.kernels():
        if op.parent in calls:
            made.update(_storages(trace, op.outputs))
    kept = (_storages(trace, (*trace.ops[call].inputs, *trace.ops[call].outputs)) for call in calls)
    return frozenset(made.difference(*kept))


def _first_tensors(trace: Trace) -> dict[int, tuple[int, int]]:
    """By storage that is an input or made in the pass: the first tensor on it, the operator."""
    first = {trace.tensors[tensor].storage: (tensor, 0) for tensor in given_tensors(trace)}
    there_before, outlives = weights_storages(trace), _outlives_the_pass(trace)
    calls = calls_on_cpu(trace)
    for index, op in enumerate(trace.ops):
        if op.composite and index not in calls:
            continue
        # An input that no operator made is older if it stays, else it was made of Python's values.
        there_before |= outlives.intersection(_storages(trace, op.inputs)).difference(first)
        made = () if op.composite else op.outputs  # by the parts, which come after
        for tensor in (*op.inputs, *made):
            if tensor is not None and trace.tensors[tensor].storage not in there_before:
                first.setdefault(trace.tensors[tensor].storage, (tensor, index))
    return first


def given_tensors(trace: Trace) -> tuple[int, ...]:
    """The tensors that are there when the pass begins, besides weights."""
    trained = trace.trained
    return trace.inputs if trained is None else trace.inputs + trained.targets + trained.state


def weights_storages(trace: Trace) -> set[int]:
    """The storages of parameters and buffers."""
    owned = (weight for module in trace.modules for weight in (*module.parameters, *module.buffers))
    return set(_storages(trace, (weight.tensor for weight in owned)))


def _outlives_the_pass(trace: Trace) -> set[int]:
    """The storages that somebody keeps afterwards, other than those that the model returned."""
    alive = {storage for storage, freed in enumerate(trace.freed) if freed is None}
    return alive.difference(_storages(trace, trace.outputs))


def _peak(trace: Trace, lives: Sequence[Life]) -> Peak:
    moment = fullest_moment(trace, lives)
    alive = [life for life in lives if life.begin <= moment < life.end]
    inputs = set(_storages(trace, trace.inputs))
    module, op = call_at(trace, moment) if trace.ops else ("", "")
    held = [life.held._replace(needed=moment < life.used) for life in alive]
    return Peak(
        bytes=sum(storage.bytes for storage in held),
        input_bytes=sum(life.held.bytes for life in lives if life.storage in inputs),
        module=module,
        op=op,
        alive=tuple(sorted(filter(_has_bytes, held), key=lambda storage: -storage.bytes)),
    )


def _has_bytes(held: Held) -> bool:
    return held.bytes > 0


def fullest_moment(trace: Trace, lives: Iterable[Life]) -> int:
    """The first operator during which most bytes are alive."""
    # The sum of all changes up to an operator is what is alive during it: one pass, any length.
    changes = [0] * (len(trace.ops) + 2)
    for life in lives:
        changes[life.begin] += life.held.bytes
        changes[life.end] -= life.held.bytes
    alive = list(accumulate(changes))
    return alive.index(max(alive))


def call_at(trace: Trace, kernel: int) -> tuple[str, str]:
    """The module whose forward runs a kernel, and the operator as the model called it."""
    module = trace.modules[trace.ops[kernel].module]
    return module.path, trace.ops[whole_call(trace, kernel)].name


def _storages(trace: Trace, tensors: Iterable[int | None]) -> Iterator[int]:
    return (trace.tensors[tensor].storage for tensor in tensors if tensor is not None)


def _unfolded_bytes(trace: Trace, op: Op) -> int:
    """Torch unfolds the input of a dilated convolution on the CPU, 4 bytes an element."""
    if op.name != "convolution" or set(op.attributes["dilation"]) == {1}:
        return 0
    kernel, out = shape(trace, op.inputs[1]), shape(trace, op.outputs[0])
    return 4 * prod(kernel[1:]) * prod(out[2:])
