"""A model's parameters and buffers as tensors without data, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


@contextmanager
def moved_to_meta(model: nn.Module) -> Iterator[None]:
    """While it lasts, every parameter and buffer is on meta; what is shared stays shared.

    ``model.to("meta")`` would make a tensor of its own of every name, and forget the values.
    """
    twins: dict[int, Tensor] = {}
    registries: list[dict[str, Any]] = []
    for module in model.modules():
        registries += (module._parameters, module._buffers)
    kept = [(registry, dict(registry)) for registry in registries]
    for registry in registries:
        registry.update({name: _twin(tensor, twins) for name, tensor in registry.items()})
    try:
        yield
    finally:
        for registry, before in kept:
            registry.clear()
            registry.update(before)


def _twin(tensor: Tensor | None, twins: dict[int, Tensor]) -> Tensor | None:
    if tensor is None or tensor.is_meta or is_lazy(tensor):
        return tensor
    if id(tensor) not in twins:
        empty = torch.empty_like(tensor, device="meta")
        is_parameter = isinstance(tensor, nn.Parameter)
        twins[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    return twins[id(tensor)]
