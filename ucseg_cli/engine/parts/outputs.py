"""Descriptions of what calls returned, by which it can be returned again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ucseg_cli.engine.parts.signatures import UnknownValueError, address_of


class Fresh(NamedTuple):
    """An output on a storage of its own, from the beginning to the end of it."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def make(self) -> Tensor:
        """Another such tensor, without data."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device="meta")


class Given(NamedTuple):
    """An output that is the input of that number."""

    number: int


class Nest(NamedTuple):
    """Outputs in a container, which *gather* makes of them."""

    gather: Callable[[list[Any]], Any]
    values: tuple[Outputs, ...] = ()


Outputs = Fresh | Given | Nest


def describe_outputs(out: Any, inputs: Sequence[Tensor], fresh: set[int]) -> Outputs:
    """A description that makes such outputs again; takes their storages from those *fresh*.

    Raises UnknownValueError where another call cannot make them.
    """
    if out is None:
        return Nest(_nothing)
    if isinstance(out, Tensor):
        return _describe(out, inputs, fresh)
    if type(out) in {tuple, list}:
        return Nest(type(out), tuple(describe_outputs(one, inputs, fresh) for one in out))
    if type(out) is dict:
        values = tuple(describe_outputs(one, inputs, fresh) for one in out.values())
        keys = tuple(out)
        return Nest(lambda made: dict(zip(keys, made, strict=True)), values)
    raise UnknownValueError(type(out).__name__)


def _describe(out: Tensor, inputs: Sequence[Tensor], fresh: set[int]) -> Fresh | Given:
    for number, tensor in enumerate(inputs):
        if tensor is out:
            return Given(number)
    if type(out) is not Tensor or address_of(out) not in fresh or not _fills_storage(out):
        raise UnknownValueError("a view")
    fresh.remove(address_of(out))
    return Fresh(tuple(out.shape), out.stride(), out.dtype)


def _fills_storage(tensor: Tensor) -> bool:
    """Whether a new tensor of this shape and stride has as large a storage."""
    size = tensor.untyped_storage().nbytes()
    if tensor.storage_offset():
        return False
    if 0 in tensor.shape:
        return size == 0
    last = sum((side - 1) * step for side, step in zip(tensor.shape, tensor.stride(), strict=True))
    return (last + 1) * tensor.element_size() == size


def _nothing(_: list[Any]) -> None:
    return None
