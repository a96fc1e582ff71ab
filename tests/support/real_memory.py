"""The memory of a real run on the CPU, and the trace of the same model without data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ucseg_cli.engine.recording.move_to_meta import moved_to_meta
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.user_code.accelerators import accelerators_elsewhere, accelerators_on_meta
from ucseg_cli.facts.trace import Trace


class StoragesAlive(TorchDispatchMode):
    """The most bytes of real storages alive at once, by torch's own weak references to them.

    Those of *older* tensors do not count, but for the inputs.
    """

    def __init__(self, inputs: Sequence[Tensor], older: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.there_before = {storage._cdata for storage in storages_in(older)}
        self.there_before -= {storage._cdata for storage in storages_in(inputs)}
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.now = self.most = 0
        self.note(inputs)

    def note(self, tensors: Any) -> None:
        for storage in storages_in(tensors):
            if storage._cdata not in self.there_before and storage._cdata not in self.alive:
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self.alive[storage._cdata] = (reference, storage.nbytes())
                self.now += storage.nbytes()
        self.most = max(self.most, self.now)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        references: Any = {key: reference for key, (reference, _) in self.alive.items()}
        dead = [key for key, reference in references.items() if reference.expired()]
        for key in dead:
            self.now -= self.alive.pop(key)[1]
        # One that no operator made, and that is not older, was made of Python's values.
        self.note((args, kwargs))
        out = func(*args, **(kwargs or {}))
        self.note(out)
        return out


def storages_in(tensors: Any) -> list[torch.UntypedStorage]:
    leaves = [leaf for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor)]
    return [leaf.untyped_storage() for leaf in leaves if has_storage(leaf)]


def has_storage(tensor: Tensor) -> bool:
    """Whether it is in one piece: a sparse one is not."""
    return tensor.layout is torch.strided and torch._C._has_storage(tensor)


def tensors_of(model: nn.Module) -> Iterator[Tensor]:
    """All that its modules hold: weights, buffers, and attributes that are neither."""
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        yield from (value for value in vars(module).values() if isinstance(value, Tensor))


def most_alive(model: nn.Module, *inputs: Tensor, older: Iterable[Tensor] = ()) -> int:
    """The most bytes of storages alive during a pass, without the model's and *older* ones."""
    storages = StoragesAlive(inputs, (*tensors_of(model), *older))
    with torch.no_grad(), storages:
        model(*inputs)
    return storages.most


def most_allocated(model: nn.Module, *inputs: Tensor, folder: Path) -> int:
    """The most bytes that the allocator has handed out, with the inputs, which were there before.

    No mode watches, for which torch would take another way through some calls.
    """
    with torch.no_grad():
        model(*inputs)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            model(*inputs)
    profiler.export_chrome_trace(str(folder / "trace.json"))
    events = json.loads((folder / "trace.json").read_text("utf-8"))["traceEvents"]
    allocations = [event["args"] for event in events if event["name"] == "[memory]"]
    before = allocations[0]["Total Allocated"] - allocations[0]["Bytes"]
    there_before = {storage._cdata: storage.nbytes() for storage in storages_in(inputs)}
    most = int(max(event["Total Allocated"] for event in allocations))
    return most - int(before) + sum(there_before.values())


def record_without_data(model: nn.Module, *inputs: Tensor) -> Trace:
    """The pass on meta, as the engine records it."""
    with moved_to_meta(model), accelerators_elsewhere(), accelerators_on_meta():
        return record(model, *(x.to("meta") for x in inputs))
