"""Putting a model, its inputs and torch's settings back as they were before a forward pass.

Everything is noted by identity before the pass and put back after it. Values are the exception,
since copying them all would double a real model: a storage is copied when an operator is about to
write to it, and not otherwise.
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
from types import FunctionType, NoneType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks_of_torch

from ucseg_cli.engine.recording.fused_kernels import without_fast_path
from ucseg_cli.engine.recording.tensor_numbers import ABSENT, storage_of

ATOMS = {bool, int, float, complex, str, bytes, NoneType, type, FunctionType}
"""Types of most attributes of a module: such a value cannot change, or not visibly."""

MAPPINGS = {dict, OrderedDict, defaultdict, Counter}
OTHER_CONTAINERS = {list, set, deque}


@contextmanager
def restored_afterwards(model: nn.Module, *inputs: Any) -> Iterator[Snapshot]:
    """While it lasts, *model*, *inputs* and torch's settings may change; it restores them all.

    Values are restored where the Snapshot was given the tensor before it was written to.
    """
    snapshot = Snapshot(model, *inputs)
    with settings_restored(), without_fast_path():
        try:
            yield snapshot
        finally:
            snapshot.restore()


class Snapshot:
    """The state of a model, of everything that hangs on it, and of its inputs."""

    def __init__(self, model: nn.Module, *inputs: Any) -> None:
        # Undone by assignment; values of storages are copied later, if ever.
        self._undo: list[Callable[[], object]] = []
        self._storages: set[int] = set()
        self._values: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._note_all([model, *inputs, *_hooks_of_torch()])

    def keep_values(self, tensor: Tensor) -> None:
        """Copy the values of *tensor*, about to be written to, if they are older than the pass."""
        storage = None if tensor.is_meta else storage_of(tensor)
        # A storage that the pass itself made has no earlier values. The address of torch's own
        # object stands for a storage, since Python wraps it anew on each question.
        if storage is None or storage._cdata not in self._storages:
            return
        if storage._cdata not in self._values:
            values: torch.UntypedStorage = storage.clone()  # type: ignore[no-untyped-call]
            self._values[storage._cdata] = (storage, values)

    def restore(self) -> None:
        """Undo everything, below autograd, which counts the versions of a tensor."""
        with torch.no_grad(), torch._C._AutoDispatchBelowADInplaceOrView():
            for undo in self._undo:
                undo()
            # After the sizes are back: a storage that was resized has its old length again.
            for storage, values in self._values.values():
                storage.copy_(values)

    def _note_all(self, values: list[Any]) -> None:
        """Note *values* and all that can be reached from them through attributes and containers."""
        # A stack instead of recursion: some models hang together a thousand deep, and in circles.
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
            self._undo.append(partial(restore_contents, value, contents))
            return contents.values()
        if type(value) in OTHER_CONTAINERS:
            parts = list(value)
            self._undo.append(partial(restore_contents, value, parts))
            return parts
        return value if isinstance(value, tuple) else self._note_object(value)

    def _note_object(self, value: Any) -> Collection[Any]:
        match value:
            case Tensor():
                self._note_tensor(value)
            case torch.Generator():
                self._undo.append(partial(value.set_state, value.get_state()))
            case random.Random():
                self._undo.append(partial(value.setstate, value.getstate()))
            case torch.jit.ScriptModule():
                return self._note_scripted(value)
            # Other objects are left alone: how their kind is put back is unknown.
            case _ if isinstance(value, nn.Module) or _has_fields(value):
                attributes = dict(vars(value))
                self._undo.append(partial(_restore_attributes, value, type(value), attributes))
                return attributes.values()
        return ()

    def _note_scripted(self, module: torch.jit.ScriptModule) -> Collection[Any]:
        """Its parts lie in C++, which makes new Python objects of them for each question."""
        buffers = dict(module.named_buffers(recurse=False))
        self._undo.append(partial(_restore_scripted, module, buffers, training=module.training))
        return [*buffers.values(), *module.parameters(recurse=False), *module.children()]

    def _note_tensor(self, tensor: Tensor) -> None:
        storage = storage_of(tensor)
        if storage is not None:
            self._storages.add(storage._cdata)
            size, place = storage.nbytes(), _place(tensor)
            self._undo.append(partial(_restore_place, tensor, storage, size, place))
        # torch warns where .grad of a tensor that is not a leaf is read.
        grad, required = tensor.grad if tensor.is_leaf else None, tensor.requires_grad
        self._undo.append(partial(_restore_gradient, tensor, grad, required=required))


def _has_fields(value: Any) -> bool:
    return is_dataclass(value) and hasattr(value, "__dict__")


def restore_contents(container: Any, contents: Collection[Any]) -> None:
    """Let a mapping, list, set or deque hold *contents* again."""
    # Most containers are hooks that were never set: empty before and after.
    if container or contents:
        container.clear()
        add = container.extend if isinstance(container, (list, deque)) else container.update
        add(contents)


def _restore_attributes(owner: Any, kind: type, attributes: dict[str, Any]) -> None:
    # A lazy module changes its class when it first runs.
    if type(owner) is not kind:
        owner.__class__ = kind
    vars(owner).clear()
    vars(owner).update(attributes)


def _restore_scripted(
    module: torch.jit.ScriptModule, buffers: dict[str, Tensor], *, training: bool
) -> None:
    module.training = training
    for name, buffer in buffers.items():
        if getattr(module, name) is not buffer:
            setattr(module, name, buffer)


Place = tuple[int, int | torch.SymInt, torch.Size, tuple[int, ...], torch.dtype]


def _place(tensor: Tensor) -> Place | None:
    """The tensor's storage, and which part of it is read how; None where it does not lie in one."""
    try:
        storage, offset = tensor.untyped_storage()._cdata, tensor.storage_offset()
        return storage, offset, tensor.shape, tensor.stride(), tensor.dtype
    except ABSENT:
        return None


def _restore_place(
    tensor: Tensor, storage: torch.UntypedStorage, size: int, place: Place | None
) -> None:
    if storage.nbytes() != size:
        storage.resize_(size)
    if place is not None and place != _place(tensor):
        _, offset, shape, stride, dtype = place
        # Assigning .data moves a tensor without changing its identity or its history.
        empty = torch.empty(0, dtype=dtype, device=storage.device)
        tensor.data = empty.set_(storage, int(offset), shape, stride)


def _restore_gradient(tensor: Tensor, gradient: Tensor | None, *, required: bool) -> None:
    if tensor.requires_grad != required:
        tensor.requires_grad_(required)
    if tensor.is_leaf and tensor.grad is not gradient:
        tensor.grad = gradient


def _hooks_of_torch() -> list[dict[int, Any]]:
    """Hooks for the modules of every model."""
    values = [value for name, value in vars(hooks_of_torch).items() if name.startswith("_global_")]
    return [hooks for hooks in values if isinstance(hooks, dict)]


@contextmanager
def settings_restored() -> Iterator[None]:
    """While it lasts, torch's settings, warning filters and random states may change."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        # Each setting is read now and put back by its own setter, in the opposite order.
        stack.callback(_restore_device, _default_device())
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(torch.default_generator.set_state, torch.default_generator.get_state())
        stack.callback(random.setstate, random.getstate())
        # Only if the user's code imported numpy: we do not.
        if (numpy := sys.modules.get("numpy.random")) is not None:
            stack.callback(numpy.set_state, numpy.get_state())
        yield


def _default_device() -> Any:
    """The mode of ``torch.set_default_device``; that of a ``with torch.device`` is not there."""
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)


def _restore_device(before: Any) -> None:
    if _default_device() is not before:
        torch.set_default_device(None if before is None else before.device)
    if before is None:
        # torch 2.6 cannot say which device is the default while a mode of None is noted.
        vars(torch._GLOBAL_DEVICE_CONTEXT).pop("device_context", None)
