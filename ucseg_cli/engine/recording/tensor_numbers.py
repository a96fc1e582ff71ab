"""Tensors of one forward pass by number: where they are found, where they lie, and when each storage is let go."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ucseg_cli.facts import trace

ABSENT = (NotImplementedError, RuntimeError, ValueError, AttributeError)
"""What torch raises where a tensor has no such thing: a sparse or lazy one has no storage, a nested one no shape."""


class Numbering:
    """Numbers tensors and storages in the order they appear, and sees when each storage is let go."""

    def __init__(self, ops: Sequence[trace.Op]) -> None:
        self.rows: list[trace.Tensor] = []
        self.storages: list[int] = []
        self.freed: list[int | None] = []
        self._ops = ops
        self._index: dict[int, int] = {}
        self._watched: dict[int, _Watch] = {}
        self._storage_index: dict[int, int] = {}
        self._holders: list[int] = []

    def index(self, tensor: Tensor) -> int:
        """The tensor's number; the same object keeps its number as long as it lives and is not given another shape."""
        number, shape = self._index.get(id(tensor)), shape_of(tensor)
        if number is None or self.rows[number].shape != shape:
            storage, identity = self._storage(tensor)
            number = self._index[id(tensor)] = len(self.rows)
            self.rows.append(trace.Tensor(shape, name_of(tensor.dtype), storage))
            self._watch(tensor, storage, identity)
        return number

    def indices(self, value: Any) -> tuple[int, ...]:
        """The numbers of every tensor in a nest, such as a module's output."""
        return (
            (self.index(value),)
            if isinstance(value, Tensor)
            else tuple(map(self.index, tensors_in(value)))
        )

    def _storage(self, tensor: Tensor) -> tuple[int, int]:
        held = storage_of(tensor)
        identity = (
            -id(tensor) if held is None else held._cdata
        )  # a storage's identity has no public name
        size = tensor.numel() * tensor.element_size() if held is None else held.nbytes()
        number = self._storage_index.get(identity)
        if number is None:
            number = self._storage_index[identity] = len(self.storages)
            self.storages.append(size)
            self.freed.append(None)
            self._holders.append(0)
        elif size > self.storages[number]:  # an ``out=`` that was too small has been resized
            self.storages[number] = size
        return number, identity

    def _watch(self, tensor: Tensor, storage: int, identity: int) -> None:
        self._holders[storage] += 1
        before = self._watched.get(id(tensor))
        watch = self._watched[id(tensor)] = _Watch(tensor, self._gone)
        watch.tensor, watch.storage, watch.identity = id(tensor), storage, identity
        if before is not None:
            self._release(before)

    def _gone(self, watch: _Watch) -> None:
        """Forget a tensor, since another may get its identity."""
        del self._index[watch.tensor], self._watched[watch.tensor]
        self._release(watch)

    def _release(self, watch: _Watch) -> None:
        """The last tensor on a storage frees it."""
        self._holders[watch.storage] -= 1
        if not self._holders[watch.storage]:
            self.freed[watch.storage] = len(self._ops)
            self._storage_index.pop(watch.identity, None)


class _Watch(weakref.ref[Tensor]):
    """A weak reference that knows what it refers to, which is cheaper than a function that does."""

    __slots__ = ("identity", "storage", "tensor")

    tensor: int
    storage: int
    identity: int


@cache
def name_of(dtype: torch.dtype) -> str:
    """An element type as a trace names it."""
    return str(dtype).removeprefix("torch.")


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """A tensor's shape; a nested one, whose sides differ, has that of its values in a row."""
    try:
        shape = tuple(tensor.shape)
        if type(tensor) in {Tensor, nn.Parameter} or all(isinstance(side, int) for side in shape):
            return shape
    except RuntimeError:
        pass
    return tuple(tensor.values().shape)


def storage_of(tensor: Tensor) -> torch.UntypedStorage | None:
    """Where a tensor's data lies, a sparse one's values; None where torch does not tell."""
    for look in (Tensor.untyped_storage, _values, Tensor.values):
        try:
            held = look(tensor)
            return held.untyped_storage() if isinstance(held, Tensor) else held
        except ABSENT:
            continue
    return None


def _values(tensor: Tensor) -> Tensor:
    """The values of a sparse tensor that may name a place twice, for which ``values`` refuses."""
    return tensor._values()


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in a nest of sequences, mappings and dataclasses, in order."""
    return (tensor for _, tensor in named_tensors_in(value))


def named_tensors_in(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """The same, each with the keys, fields and positions that lead to it, joined by dots."""
    if isinstance(value, Tensor):
        yield path, value
    for name, part in _parts(value):
        yield from named_tensors_in(part, f"{path}.{name}" if path else name)


def output_names(value: Any) -> tuple[str, ...]:
    """How a module names the tensors it returned; nothing where it returned a tensor, or a sequence of them."""
    return tuple(name for name, _ in named_tensors_in(value)) if _gives_names(value) else ()


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case Mapping():
            yield from ((str(key), part) for key, part in value.items())
        case tuple() | list():
            yield from zip(_field_names(value) or map(str, range(len(value))), value, strict=True)
        case _ if is_dataclass(value) and not isinstance(value, type):
            yield from ((field.name, getattr(value, field.name, None)) for field in fields(value))


def _gives_names(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return bool(_field_names(value)) or any(map(_gives_names, value))
    return isinstance(value, Mapping) or is_dataclass(value)


def _field_names(value: Sequence[Any]) -> tuple[str, ...]:
    """Of a named tuple, or of what torch returns in place of one."""
    names: tuple[str, ...] = getattr(value, "_fields", getattr(value, "__match_args__", ()))
    return names if len(names) == len(value) else ()
