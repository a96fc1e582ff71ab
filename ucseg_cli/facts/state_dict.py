"""A state dict as a value: the names, shapes and element types that a checkpoint holds, without its data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.trace import Module, Tensor, Trace, Weight

BUFFERS = frozenset({"running_mean", "running_var", "num_batches_tracked"})
"""What batch norm calls its buffers; a state dict does not tell buffers from parameters otherwise."""
WRAPPERS = ("module.", "_orig_mod.")
"""What wrappers put before every name: DataParallel and AveragedModel the first, torch.compile the second."""
AVERAGED = "n_averaged"
"""The counter that AveragedModel keeps beside its module."""
DENSE = "strided"
ROOT_TYPE = "state dict"
NO_FORWARD = "a state dict has no forward pass"


class Entry(NamedTuple):
    """One tensor of a state dict.

    Args:
        name: as in the file, without what was stripped from all of them.
        shape: its lengths. dtype: its element type, as torch calls it.
        memory: equal for two that are the same memory, as tied weights are; None where that is not known.
        layout: ``strided`` for what a parameter usually is, else as ``sparse_coo`` or ``quantized``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    memory: int | None = None
    layout: str = DENSE

    @property
    def is_buffer(self) -> bool:
        """Whether its name is that of a buffer."""
        return self.name.rpartition(".")[2] in BUFFERS


class StateDict(NamedTuple):
    """What a checkpoint holds of one network.

    Args:
        entries: its tensors, in the order of the file where that says something.
        format: of the file, ``torch`` or ``safetensors``.
        key: where in the file it was found, as in ``model`` or ``ema.shadow``; None where the file is nothing else.
        prefix: what was stripped from every name, as in ``module.``.
        left_out: names beside these that are no tensors, as ``epoch`` is.
        versioned: whether it says which version of its modules wrote it. To one that does not, torch adds the counters
            ``num_batches_tracked`` that it lacks.
    """

    entries: tuple[Entry, ...]
    format: str
    key: str | None = None
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    versioned: bool = False


def unwrapped(state: StateDict) -> StateDict:
    """The state dict of what a wrapper wraps: what the wrapper puts before every name is stripped, and told."""
    inner = [entry for entry in state.entries if entry.name != AVERAGED]
    wrapper = next((each for each in WRAPPERS if inner and _all_begin_with(inner, each)), None)
    if wrapper is None:
        return state
    beside = (AVERAGED,) * (len(state.entries) - len(inner))
    return unwrapped(
        without_prefix(
            state._replace(entries=tuple(inner), left_out=(*state.left_out, *beside)), wrapper
        )
    )


def without_prefix(state: StateDict, prefix: str) -> StateDict:
    """The same with *prefix*, with which every name begins, stripped from them."""
    entries = tuple(entry._replace(name=entry.name.removeprefix(prefix)) for entry in state.entries)
    left_out = tuple(name.removeprefix(prefix) for name in state.left_out)
    return state._replace(entries=entries, prefix=state.prefix + prefix, left_out=left_out)


def state_dict_trace(state: StateDict) -> Trace:
    """The module tree that the names tell, with the tensors that each module owns, and no forward pass.

    What shares memory is one tensor. Modules have no type, since names do not tell it; nor what is trainable.
    Raises ModelError for an element type of unknown size.
    """
    first: dict[tuple[str, int], Entry] = {}
    for at, entry in enumerate(state.entries):
        first.setdefault(_memory(entry, at), entry)
    index = {memory: tensor for tensor, memory in enumerate(first)}
    tensors = tuple(
        Tensor(entry.shape, entry.dtype, tensor) for tensor, entry in enumerate(first.values())
    )
    owned: dict[str, list[tuple[Entry, int]]] = {}
    for at, entry in enumerate(state.entries):
        owned.setdefault(entry.name.rpartition(".")[0], []).append(
            (entry, index[_memory(entry, at)])
        )
    return Trace(
        modules=tuple(_module(path, owned.get(path, ())) for path in _in_tree_order(owned)),
        tensors=tensors,
        storages=tuple(size_in_bytes(tensor.numel, tensor.dtype) for tensor in tensors),
        freed=(None,) * len(tensors),
        ops=(),
        inputs=(),
        outputs=(),
        failure=NO_FORWARD,
    )


def _memory(entry: Entry, at: int) -> tuple[str, int]:
    """What two entries have in common that are one tensor; of one whose memory is not known, its position."""
    return ("unknown", at) if entry.memory is None else ("known", entry.memory)


def _module(path: str, owned: Iterable[tuple[Entry, int]]) -> Module:
    parameters, buffers = (
        tuple(
            Weight(entry.name.rpartition(".")[2], tensor, None)
            for entry, tensor in owned
            if entry.is_buffer is wanted
        )
        for wanted in (False, True)
    )
    return Module(path, "" if path else ROOT_TYPE, parameters, buffers)


def _in_tree_order(paths: Iterable[str]) -> list[str]:
    """Every module above *paths* and these: the root first, children behind their parent as they are first met."""
    met: dict[str, int] = {"": 0}
    for path in paths:
        for above in _down_to(path):
            met.setdefault(above, len(met))
    return sorted(met, key=lambda path: [met[above] for above in _down_to(path)])


def _down_to(path: str) -> list[str]:
    """The modules from below the root to *path*."""
    parts = path.split(".") if path else []
    return [".".join(parts[: depth + 1]) for depth in range(len(parts))]


def _all_begin_with(entries: Iterable[Entry], prefix: str) -> bool:
    return all(entry.name.startswith(prefix) for entry in entries)
