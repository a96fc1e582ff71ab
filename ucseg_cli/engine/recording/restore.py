"""A model, its inputs and torch's global state afterwards as they were, whatever a forward pass did to them.

Everything is noted by identity before the pass and put back after it. Values are the exception, since copying them all
would double a real model: what an operator is about to write to is copied then, and nothing else.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import is_dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import cuda, mha
from torch.nn.modules import module as hooks_of_torch

from ucseg_cli.engine.recording.tensor_numbers import ABSENT, storage_of

ATOMS = {
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type,
    type(lambda: None),
    torch.dtype,
    torch.device,
}
"""Types of most attributes of a module: nothing can be done to one of these, or nothing that we would see."""

MAPPINGS = {dict, OrderedDict, defaultdict, Counter}
OTHER_CONTAINERS = {list, set, deque}


@contextmanager
def as_before(model: nn.Module, *inputs: Tensor) -> Iterator[Before]:
    """While it lasts, *model*, *inputs* and torch's settings may be changed in any way that the Before is told of."""
    before = Before(model, *inputs)
    with _settings():
        try:
            yield before
        finally:
            before.put_back()


class Before:
    """What a model with all that hangs on it, and its inputs, were."""

    def __init__(self, model: nn.Module, *inputs: Tensor) -> None:
        self._undo: list[Callable[[], object]] = []
        self._storages: set[int] = set()
        self._values: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._note_all([model, *inputs, *_hooks_of_torch()])

    def keep_values(self, tensor: Tensor) -> None:
        """Copy what *tensor* holds, as it is about to be written to, if it was there before and is not copied yet."""
        storage = None if tensor.is_meta else storage_of(tensor)
        if (
            storage is not None
            and storage._cdata in self._storages
            and storage._cdata not in self._values
        ):
            self._values[storage._cdata] = (storage, storage.clone())  # type: ignore[no-untyped-call]

    def put_back(self) -> None:
        """Undo everything, below what counts the versions of a tensor."""
        with torch.no_grad(), torch._C._AutoDispatchBelowADInplaceOrView():
            for undo in self._undo:
                undo()
            for storage, values in self._values.values():
                storage.copy_(values)

    def _note_all(self, values: list[Any]) -> None:
        """Note *values* and what can be reached from them through attributes and containers."""
        seen: set[int] = set()
        while values:
            value = values.pop()
            if type(value) not in ATOMS and id(value) not in seen:
                seen.add(id(value))
                values.extend(self._note(value))

    def _note(self, value: Any) -> Collection[Any]:
        """Note one value; gives its parts."""
        if type(value) in MAPPINGS:
            contents = dict(value)
            self._undo.append(partial(_put_back_contents, value, contents))
            return contents.values()
        if type(value) in OTHER_CONTAINERS:
            parts = list(value)
            self._undo.append(partial(_put_back_contents, value, parts))
            return parts
        return value if isinstance(value, tuple) else self._note_object(value)

    def _note_object(self, value: Any) -> Collection[Any]:
        match value:
            case Tensor():
                self._note_tensor(value)
            case torch.Generator() | random.Random():
                self._undo.append(_generator_as_it_is(value))
            case torch.jit.ScriptModule():
                return self._note_scripted(value)
            case nn.Module():
                return self._note_attributes(value)
            case _ if is_dataclass(value) and hasattr(value, "__dict__"):
                return self._note_attributes(value)
        return ()

    def _note_attributes(self, owner: Any) -> Collection[Any]:
        attributes = dict(vars(owner))
        self._undo.append(partial(_put_back_attributes, owner, type(owner), attributes))
        return attributes.values()

    def _note_scripted(self, module: torch.jit.ScriptModule) -> Collection[Any]:
        """Its parts lie in C++, and are given out as new objects with each question."""
        buffers = dict(module.named_buffers(recurse=False))
        self._undo.append(partial(_put_back_scripted, module, buffers, training=module.training))
        return [*buffers.values(), *module.parameters(recurse=False), *module.children()]

    def _note_tensor(self, tensor: Tensor) -> None:
        storage, place = storage_of(tensor), _place(tensor)
        if storage is not None:
            self._storages.add(storage._cdata)
            self._undo.append(partial(_put_back_place, tensor, storage, storage.nbytes(), place))
        gradient = tensor.grad if tensor.is_leaf else None
        self._undo.append(
            partial(_put_back_gradient, tensor, gradient, required=tensor.requires_grad)
        )


def _generator_as_it_is(generator: torch.Generator | random.Random) -> Callable[[], object]:
    if isinstance(generator, random.Random):
        return partial(generator.setstate, generator.getstate())
    return partial(generator.set_state, generator.get_state())


def _put_back_contents(container: Any, contents: Collection[Any]) -> None:
    if container or contents:
        container.clear()
        (container.extend if isinstance(container, (list, deque)) else container.update)(contents)


def _put_back_attributes(owner: Any, kind: type, attributes: dict[str, Any]) -> None:
    if type(owner) is not kind:
        owner.__class__ = kind
    vars(owner).clear()
    vars(owner).update(attributes)


def _put_back_scripted(
    module: torch.jit.ScriptModule, buffers: dict[str, Tensor], *, training: bool
) -> None:
    module.training = training
    for name, buffer in buffers.items():
        if getattr(module, name) is not buffer:
            setattr(module, name, buffer)


def _put_back_place(
    tensor: Tensor, storage: torch.UntypedStorage, size: int, place: Place | None
) -> None:
    if storage.nbytes() != size:
        storage.resize_(size)
    if place is not None and (place, storage._cdata) != (
        _place(tensor),
        tensor.untyped_storage()._cdata,
    ):
        offset, shape, stride, dtype = place
        tensor.data = torch.empty(0, dtype=dtype, device=storage.device).set_(
            storage, int(offset), shape, stride
        )


def _put_back_gradient(tensor: Tensor, gradient: Tensor | None, *, required: bool) -> None:
    if tensor.requires_grad != required:
        tensor.requires_grad_(required)
    if tensor.is_leaf and tensor.grad is not gradient:
        tensor.grad = gradient


Place = tuple[int | torch.SymInt, torch.Size, tuple[int, ...], torch.dtype]


def _place(tensor: Tensor) -> Place | None:
    """Which part of its storage a tensor is, and how it is read; None where it does not lie in one."""
    try:
        tensor.untyped_storage()
        return tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype
    except ABSENT:
        return None


def _hooks_of_torch() -> list[dict[int, Any]]:
    """Hooks for the modules of every model."""
    named = vars(hooks_of_torch).items()
    return [
        hooks for name, hooks in named if name.startswith("_global_") and isinstance(hooks, dict)
    ]


@contextmanager
def _settings() -> Iterator[None]:
    """Torch's settings, warning filters and the state of chance. While it lasts, no kernel stands for a whole block.

    Kernels such as those of attention exist on the CPU only: no counter knows them, and on meta there are others.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(_put_back_device, _default_device())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(torch.default_generator.set_state, torch.default_generator.get_state())
        stack.callback(random.setstate, random.getstate())
        if (numpy := sys.modules.get("numpy.random")) is not None:
            stack.callback(numpy.set_state, numpy.get_state())
        stack.callback(mha.set_fastpath_enabled, mha.get_fastpath_enabled())
        stack.callback(cuda.enable_flash_sdp, cuda.flash_sdp_enabled())  # type: ignore[no-untyped-call]
        mha.set_fastpath_enabled(False)
        cuda.enable_flash_sdp(enabled=False)
        yield


def _default_device() -> Any:
    """What ``torch.set_default_device`` has set; ``with torch.device`` around us is not it."""
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)


def _put_back_device(before: Any) -> None:
    if _default_device() is not before:
        torch.set_default_device(None if before is None else before.device)
