"""A model's parameters and buffers as tensors without data, and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

Place = Callable[[Tensor], Tensor]
"""Makes another tensor of one on meta, on the same storage."""


@contextmanager
def moved_to_meta(model: nn.Module, place: Place | None = None) -> Iterator[None]:
    """While it lasts, every parameter and buffer is on meta, or is what *place* makes of it there.

    Tensors that are shared stay shared: ``model.to("meta")`` would make one of every name, and
    forget the values.
    """
    twins: dict[int, Tensor] = {}
    registries: list[dict[str, Any]] = []
    for module in model.modules():
        registries += (module._parameters, module._buffers)
    kept = [(registry, dict(registry)) for registry in registries]
    lists = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    listed = [(module, module._flat_weights) for module in lists]
    for registry in registries:
        registry.update({name: _twin(one, twins, place) for name, one in registry.items()})
    for module, weights in listed:
        module._flat_weights = [twins.get(id(weight), weight) for weight in weights]
    try:
        yield
    finally:
        for registry, before in kept:
            registry.clear()
            registry.update(before)
        for module, weights in listed:
            module._flat_weights = weights


def _twin(tensor: Tensor | None, twins: dict[int, Tensor], place: Place | None) -> Tensor | None:
    if tensor is None or is_lazy(tensor) or (tensor.is_meta and place is None):
        return tensor
    if id(tensor) not in twins:
        empty = torch.empty_like(tensor, device="meta")
        moved = empty if place is None else place(empty)
        is_parameter = isinstance(tensor, nn.Parameter)
        twins[id(tensor)] = nn.Parameter(moved, tensor.requires_grad) if is_parameter else moved
    return twins[id(tensor)]
