"""A state dict as a value: names, shapes, types and places of data in a checkpoint, without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from math import prod
from typing import NamedTuple

from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.trace import NO_FORWARD, Module, Tensor, Trace, Weight

BUFFERS = frozenset({"running_mean", "running_var", "num_batches_tracked"})
"""Batch norm's names for its buffers; nothing else in a state dict marks a buffer."""
WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes of every name: the first of DataParallel and AveragedModel, then torch.compile's."""
AVERAGED = "n_averaged"
"""The counter that AveragedModel keeps beside its module."""
DENSE = "strided"
META = "meta"
"""The layout, here, of a tensor that was saved from the meta device: a shape without values."""
ROOT_TYPE = "state dict"


class Region(NamedTuple):
    """Bytes in a file: *size* of them from *start* on, in a *member* if it is a zip archive.

    *inline* are the bytes themselves, where they are few and stand in a pickle. With *skip* they
    are a text, each letter of which is a byte of the data, and the data begins so many letters in.
    """

    file: str
    start: int
    size: int
    member: str | None = None
    inline: bytes | None = None
    skip: int | None = None


class Values(NamedTuple):
    """Where a tensor's values are.

    Args:
        region: the memory that they lie in.
        shape: of the tensor, or of the values that a sparse one has.
        strides, offset: in elements, as torch has them.
        order: of bytes, ``<`` or ``>``.
        zero: the stored number that stands for zero, or where such numbers are; None if unknown.
        dtype: of the values, where that is not the entry's.
    """

    region: Region
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    order: str = "<"
    zero: int | Values | None = 0
    dtype: str = ""


class Zeros(NamedTuple):
    """The zeros in the data of an entry, as far as it can be read; None where it cannot.

    Args:
        total: its elements that are zero; -0.0 is.
        slices: the places along its first axis, then along its second, at which all are zero. None
            for a tensor with fewer axes, or with a very long one.
        numbers: the elements of a short vector.
    """

    total: int | None
    slices: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    numbers: tuple[float, ...] | None = None


class Entry(NamedTuple):
    """One tensor of a state dict.

    Args:
        name: as in the file, without the prefix that was stripped.
        shape: its lengths. dtype: torch's name for its element type.
        memory: equal for two in the same memory, such as tied weights; None where it is unknown.
        layout: ``strided`` for most, else as ``sparse_coo``, ``quantized`` or META.
        packed_in: the name of the file's entry that holds it with others, as a quantized layer's
            weight and bias; None for an entry of its own.
        values: where they are; None where that is unknown, or nowhere.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    memory: int | None = None
    layout: str = DENSE
    packed_in: str | None = None
    values: Values | None = None

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


OBSERVER = "activation_post_process"
"""The name of the modules that torch puts into a network to observe it for quantization."""


def buffer_names(names: Collection[str]) -> set[str]:
    """Those of *names* that are buffers, by themselves or by what stands beside them.

    A batch norm's; the vectors of ``spectral_norm`` (``weight_u`` and ``weight_v`` beside
    ``weight_orig``) and of its parametrization; the base of ``orthogonal``; the scale and the zero
    point of a quantized layer; the mask of a pruned one; all that observers of activations keep.
    """
    names = set(names)
    found = set()
    for name in names:
        outer, _, last = name.rpartition(".")
        inside = f"{outer}." if outer else ""
        normed = last[-2:] in {"_u", "_v"} and f"{inside}{last[:-2]}_orig" in names
        parametrized = last in {"_u", "_v", "base"} and "parametrizations." in f"{inside}"
        packed = f"{inside}_packed_params.weight" in names
        both = {f"{inside}scale", f"{inside}zero_point"} <= names
        quantized = last in {"scale", "zero_point"} and (packed or both)
        pruned = last.endswith("_mask") and f"{inside}{last.removesuffix('mask')}orig" in names
        observed = OBSERVER in outer.split(".")
        if last in BUFFERS or normed or parametrized or quantized or pruned or observed:
            found.add(name)
    return found


def pruning_masks(names: Collection[str]) -> dict[str, str]:
    """The mask of each weight that ``torch.nn.utils.prune`` multiplies by one."""
    names = set(names)
    pairs = {name: f"{name.removesuffix('orig')}mask" for name in names if name.endswith("_orig")}
    return {weight: mask for weight, mask in pairs.items() if mask in names}


class StateDict(NamedTuple):
    """A network's state dict in a checkpoint.

    Args:
        entries: its tensors, in the order of the file, or for safetensors of their names.
        format: of the file, ``torch``, ``safetensors`` or ``numpy``.
        key: where in the file it was found, as ``ema.shadow``; None for the whole file.
        prefix: the part that was stripped from every name, such as ``module.``.
        left_out: names beside these whose values are not tensors, such as ``epoch``.
        packed: those of them in which a quantized layer packs weights that cannot be counted.
        remarks: sentences on how the file was read, where that is unusual.
        versioned: the modules that it has at version 2 or later, by path. To any other batch norm
            torch adds the counter ``num_batches_tracked`` that the file lacks.
    """

    entries: tuple[Entry, ...]
    format: str
    key: str | None = None
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    packed: frozenset[str] = frozenset()
    versioned: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


def unwrapped(state: StateDict) -> StateDict:
    """The state dict of a wrapper's inner network: the wrapper's prefix is stripped and kept."""
    inner = [entry for entry in state.entries if entry.name != AVERAGED]
    for prefix in WRAPPERS:
        if inner and all(entry.name.startswith(prefix) for entry in inner):
            return unwrapped(without_prefix(state, prefix))
    return state


def inner_network(state: StateDict, is_its_own: Callable[[str], bool]) -> StateDict:
    """The network whose names satisfy *is_its_own*, if it was a module of another (``net.conv``).

    The outer module is the one below which most entries have such names, the shallowest of several;
    what stands beside it keeps its whole name. Without such names only wrappers are taken off.
    """
    below = Counter(
        prefix
        for entry in state.entries
        for prefix in _outer_modules(entry.name)
        if is_its_own(entry.name[len(prefix) :])
    )
    if not below:
        return unwrapped(state)
    return without_prefix(state, min(below, key=lambda outer: (-below[outer], outer.count("."))))


def without_prefix(state: StateDict, prefix: str) -> StateDict:
    """The same with *prefix* stripped from every name that begins with it, unless that is taken.

    The counter beside an AveragedModel's module is left out with the prefix of that module.
    """
    averaged = {
        f"{outer.removesuffix(WRAPPERS[0])}{AVERAGED}"
        for outer in _outer_modules(prefix)
        if f".{outer}".endswith(f".{WRAPPERS[0]}")
    }
    counters = (entry.name for entry in state.entries if entry.name in averaged)
    left_out = (name.removeprefix(prefix) for name in state.left_out)
    taken = {entry.name for entry in state.entries if not entry.name.startswith(prefix)}
    return state._replace(
        entries=tuple(
            entry if entry.name.removeprefix(prefix) in taken else _renamed(entry, prefix)
            for entry in state.entries
            if entry.name not in averaged
        ),
        prefix=state.prefix + prefix,
        versioned=frozenset(f"{path}.".removeprefix(prefix)[:-1] for path in state.versioned),
        left_out=(*left_out, *counters),
        packed=frozenset(name.removeprefix(prefix) for name in state.packed),
    )


def _outer_modules(name: str) -> Iterator[str]:
    """The beginnings of *name* up to each dot, with it, from none on."""
    yield ""
    for place, letter in enumerate(name, 1):
        if letter == ".":
            yield name[:place]


def _renamed(entry: Entry, prefix: str) -> Entry:
    packed_in = entry.packed_in and entry.packed_in.removeprefix(prefix)
    return entry._replace(name=entry.name.removeprefix(prefix), packed_in=packed_in)


def state_dict_trace(state: StateDict, known_buffers: Collection[str] = ()) -> Trace:
    """The module tree of the names, with the tensors that each module owns, and no forward pass.

    *known_buffers* are names of buffers that do not look like one. Entries in the same memory are
    one tensor. Names do not say the type of a module, nor whether a weight is trainable. Raises
    ModelError for an element type of unknown size.
    """
    index: dict[int | None, int] = {}
    shapes: list[tuple[tuple[int, ...], str]] = []
    owned: dict[str, list[tuple[Entry, int]]] = {}
    for entry in state.entries:
        number = index.get(entry.memory, len(shapes))
        if number == len(shapes):
            shapes.append((entry.shape, entry.dtype))
        if entry.memory is not None:
            index[entry.memory] = number
        owned.setdefault(entry.name.rpartition(".")[0], []).append((entry, number))
    tensors = tuple(Tensor(*shape, number) for number, shape in enumerate(shapes))
    buffers = buffer_names({entry.name for entry in state.entries}).union(known_buffers)
    return Trace(
        modules=tuple(
            _module(path, owned.get(path, ()), buffers) for path in _in_tree_order(owned)
        ),
        tensors=tensors,
        storages=tuple(size_in_bytes(tensor.numel, tensor.dtype) for tensor in tensors),
        freed=(None,) * len(tensors),
        failure=NO_FORWARD,
    )


def _module(
    path: str, owned: Iterable[tuple[Entry, int]], names_of_buffers: Collection[str]
) -> Module:
    parameters: list[Weight] = []
    buffers: list[Weight] = []
    for entry, tensor in owned:
        weight = Weight(entry.name.rpartition(".")[2], tensor, None)
        (buffers if entry.name in names_of_buffers else parameters).append(weight)
    return Module(path, "" if path else ROOT_TYPE, tuple(parameters), tuple(buffers))


def _in_tree_order(paths: Iterable[str]) -> list[str]:
    """*paths* and every module above them: the root first, children after their parent."""
    met: dict[str, int] = {"": 0}
    for path in paths:
        for above in _down_to(path):
            met.setdefault(above, len(met))
    return sorted(met, key=lambda path: [met[above] for above in _down_to(path)])


def _down_to(path: str) -> list[str]:
    """The modules from below the root to *path*."""
    parts = path.split(".") if path else []
    return [".".join(parts[: depth + 1]) for depth in range(len(parts))]
