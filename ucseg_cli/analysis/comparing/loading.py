"""Whether a network loads a state dict strictly, and the entries at which torch would stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from ucseg_cli.analysis.counting.module_tree import ancestry, parent_path
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.state_dict import (
    AVERAGED,
    DENSE,
    META,
    Entry,
    StateDict,
    inner_network,
    state_dict_trace,
)
from ucseg_cli.facts.trace import Module, Trace

Shape = tuple[int, ...]
COUNTER = "num_batches_tracked"


class Difference(NamedTuple):
    """An entry that ``load_state_dict(strict=True)`` would stop at.

    *kind* is ``missing``, ``unexpected``, ``shape``, ``layout`` (not a dense tensor) or ``meta``
    (a tensor that was saved without values).
    *expected* and *found* are shapes, None for an entry that is not there or has none.
    """

    kind: str
    name: str
    expected: Shape | None = None
    found: Shape | None = None

    @property
    def module(self) -> str:
        """The part of the network that it belongs to: two levels of the module's path."""
        return ".".join(self.name.split(".")[:-1][:2])


class Loading(NamedTuple):
    """A state dict compared with the entries that a network expects.

    Args:
        state: the state dict, with what stood before the network's own names stripped.
        expected: how many entries the network has. matched: how many are as they should be.
        differences: the others, and what the network does not expect.
    """

    state: StateDict
    expected: int
    matched: int
    differences: tuple[Difference, ...]

    @property
    def is_strict(self) -> bool:
        """Whether ``load_state_dict(strict=True)`` takes it."""
        return not self.differences

    @property
    def added(self) -> int:
        """The counters of batch norm that the state dict lacks and torch adds as it loads it."""
        differ = sum(difference.kind != "unexpected" for difference in self.differences)
        return self.expected - self.matched - differ


def load_into(trace: Trace, state: StateDict) -> Loading:
    """The state dict's part that is the traced network, compared with its own: names and shapes.

    Whatever an outer module put before every name is stripped first.
    """
    expected = trace.state_entries()
    state = _with_parametrizations(inner_network(state, expected.__contains__), expected)
    differences = tuple(_differences(state, expected))
    stopped = {difference.name for difference in differences}
    matched = expected.keys() & _names(state).keys() - stopped
    return Loading(state, len(expected), len(matched), differences)


def loading_between(one: Subject, other: Subject) -> Loading | None:
    """How a network loads a checkpoint; None for two networks or two checkpoints."""
    match one.state, other.state:
        case None, StateDict() as state:
            return load_into(one.trace, state)
        case StateDict() as state, None:
            return load_into(other.trace, state)
        case _:
            return None


def as_loaded(subject: Subject, network: Subject) -> Subject:
    """A checkpoint with the network's own names, and its buffers; a network as it is."""
    if subject.state is None:
        return subject
    state = load_into(network.trace, subject.state).state
    trace = state_dict_trace(state, network.trace.buffer_names())
    return subject._replace(trace=_with_parameter_free(trace, network.trace))


def _with_parameter_free(trace: Trace, network: Trace) -> Trace:
    """With the network's modules that save nothing, which no state dict can have."""
    saving = {above for name in network.state_entries() for above in ancestry(parent_path(name))}
    modules = dict(trace.by_path)
    for path in network.by_path:
        if path not in saving and parent_path(path) in modules:
            modules.setdefault(path, Module(path, ""))
    place = {path: index for index, path in enumerate(network.by_path)}
    in_order = sorted(modules.values(), key=lambda module: place.get(module.path, len(place)))
    return replace(trace, modules=tuple(in_order))


def _with_parametrizations(state: StateDict, expected: Iterable[str]) -> StateDict:
    """Weights that the older ``weight_norm`` split, under the names to which torch changes them."""
    names = {entry.name for entry in state.entries}
    renamed: dict[str, str] = {}
    for name in expected:
        outer, found, last = name.rpartition("parametrizations.")
        weight = f"{outer}{last.removesuffix('.original0')}"
        if found and last.endswith(".original0") and {f"{weight}_g", f"{weight}_v"} <= names:
            renamed |= {f"{weight}_g": name, f"{weight}_v": f"{name[:-1]}1"}
    entries = (entry._replace(name=renamed.get(entry.name, entry.name)) for entry in state.entries)
    return state._replace(entries=tuple(entries))


def _names(state: StateDict) -> dict[str, Entry | None]:
    """The names of the file, in its order; None for what is not a tensor of its own."""
    named = {entry.packed_in or entry.name: entry for entry in state.entries}
    tensors = {name: None if entry.packed_in else entry for name, entry in named.items()}
    # AveragedModel's own counter goes with its prefix
    beside = (
        name
        for name in state.left_out
        if not (state.prefix and name.rpartition(".")[2] == AVERAGED)
    )
    return {**tensors, **dict.fromkeys(beside)}


def _differences(state: StateDict, expected: Mapping[str, Shape | None]) -> Iterator[Difference]:
    names = _names(state)
    for name, shape in expected.items():
        found = names.get(name)
        kind = _mismatch(found, shape) if name in names else _lack(state, name)
        if kind:
            yield Difference(kind, name, shape, found and found.shape)
    for name, entry in names.items():
        if name not in expected:
            yield Difference("unexpected", name, found=entry and entry.shape)


def _mismatch(entry: Entry | None, shape: Shape | None) -> str | None:
    """Why torch cannot copy an entry. Scalars saved before torch 0.4 have shape (1,) and load."""
    if shape is None:  # whatever stands there is given to the module's own code
        return None
    if entry is None:
        return "layout"
    if entry.shape not in {shape, shape or (1,)}:
        return "shape"
    if entry.layout == META:
        return "meta"
    return None if entry.layout == DENSE else "layout"


def _lack(state: StateDict, name: str) -> str | None:
    """``missing``, unless torch adds it: batch norm's counter, to files from before it existed."""
    module, _, last = name.rpartition(".")
    return None if last == COUNTER and module not in state.versioned else "missing"
