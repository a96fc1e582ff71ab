"""Tensors of one forward pass by number, with their storages and when each of these is freed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ucseg_cli.facts import trace

ABSENT = (NotImplementedError, RuntimeError, ValueError, AttributeError)
"""Errors of torch where a tensor lacks a part: a sparse one has no storage, a nested no shape."""


class Numbering:
    """Numbers tensors and storages as they appear, and sees when each storage is freed."""

    def __init__(self, ops: Sequence[trace.Op]) -> None:
        self.rows: list[trace.Tensor] = []
        self.storages: list[int] = []
        self.freed: list[int | None] = []
        self._ops = ops
        self._index: dict[int, int] = {}
        self._watched: dict[int, _Watch] = {}
        self._storage_index: dict[int, int] = {}
        self._held: dict[int, _Watch] = {}

    def index(self, tensor: Tensor) -> int:
        """The tensor's number, the same for one object as long as its shape is the same."""
        # An in-place operator may change the shape: the object is then another row.
        number, shape = self._index.get(id(tensor)), shape_of(tensor)
        if number is None or self.rows[number].shape != shape:
            storage = self._storage(tensor)
            number = self._index[id(tensor)] = len(self.rows)
            self.rows.append(trace.Tensor(shape, name_of(tensor.dtype), storage))
            if id(tensor) not in self._watched:
                self._watched[id(tensor)] = _watch(tensor, self._forget, id(tensor))
        return number

    def indices(self, value: Any) -> tuple[int, ...]:
        """The numbers of every tensor in a nest, such as a module's output."""
        if isinstance(value, Tensor):
            return (self.index(value),)
        return tuple(self.index(tensor) for _, tensor in named_tensors_in(value))

    def _storage(self, tensor: Tensor) -> int:
        held = storage_of(tensor)
        if held is None:
            identity, size = -id(tensor), tensor.numel() * tensor.element_size()
        else:
            identity, size = held._cdata, held.nbytes()  # its address: it has no public name
        number = self._storage_index.get(identity)
        if number is None:
            number = self._storage_index[identity] = len(self.storages)
            self.storages.append(size)
            self.freed.append(None)
            # Not the tensors on it: autograd keeps some that Python never sees. Torch keeps its
            # Python object for as long as the storage is there.
            self._held[identity] = _watch(tensor if held is None else held, self._free, identity)
        elif size > self.storages[number]:  # a tensor given as ``out=`` was too small and grew
            self.storages[number] = size
        return number

    def _forget(self, watch: _Watch) -> None:
        """Forget a tensor, since another may get its identity."""
        del self._index[watch.identity], self._watched[watch.identity]

    def _free(self, watch: _Watch) -> None:
        """Note when a storage went, and forget it, since another may get its address."""
        self.freed[self._storage_index.pop(watch.identity)] = len(self._ops)
        del self._held[watch.identity]


class _Watch(weakref.ref[Any]):
    """A weak reference that knows what it refers to, which is cheaper than a closure."""

    __slots__ = ("identity",)
    identity: int


def _watch(value: Any, gone: Callable[[Any], None], identity: int) -> _Watch:
    """Call *gone* with the watch once a value is no more."""
    watch = _Watch(value, gone)
    watch.identity = identity
    return watch


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
    """The storage of a tensor's data, or of a sparse one's values; None where torch shows none."""
    for look in (Tensor.untyped_storage, _values, Tensor.values):
        try:
            held = look(tensor)
            return held.untyped_storage() if isinstance(held, Tensor) else held
        except ABSENT:
            continue
    return None


def _values(tensor: Tensor) -> Tensor:
    """The values of a sparse tensor that may name a position twice; ``values`` refuses those."""
    return tensor._values()


def named_tensors_in(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a nest of sequences, mappings and dataclasses, in order, with its path.

    A path is made of the keys, fields and positions that lead to the tensor, joined by dots.
    """
    if isinstance(value, Tensor):
        yield path, value
    for name, part in _parts(value):
        yield from named_tensors_in(part, f"{path}.{name}" if path else name)


def output_names(value: Any) -> tuple[str, ...]:
    """A module's names for the tensors it returned; none for a tensor or a sequence of them."""
    return tuple(name for name, _ in named_tensors_in(value)) if _gives_names(value) else ()


def argument_names(positional: Iterable[Any], keywords: Mapping[str, Any]) -> tuple[str, ...]:
    """The keyword and keys to each tensor in the arguments; none if no tensor has any."""
    found: list[str] = []
    for value in positional:
        found += output_names(value) or ("" for _ in named_tensors_in(value))
    found += (path for path, _ in named_tensors_in(keywords))
    return tuple(found) if any(found) else ()


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case Mapping():
            yield from ((str(key), part) for key, part in value.items())
        case tuple() | list():
            yield from zip(_field_names(value) or map(str, range(len(value))), value, strict=True)
        case _ if is_dataclass(value) and not isinstance(value, type):
            for field in fields(value):
                yield field.name, getattr(value, field.name, None)


def _gives_names(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return bool(_field_names(value)) or any(map(_gives_names, value))
    return isinstance(value, Mapping) or is_dataclass(value)


def _field_names(value: Sequence[Any]) -> tuple[str, ...]:
    """The names of a named tuple, or of the type that torch returns in place of one."""
    names: tuple[str, ...] = getattr(value, "_fields", getattr(value, "__match_args__", ()))
    return names if len(names) == len(value) else ()
