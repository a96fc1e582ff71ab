"""Numbers that a network computes its own sizes from while it is built on meta."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class NumbersWithValues(TorchFunctionMode):
    """Makes numbers on the CPU even on meta: some networks compute widths and rates from them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = {"device": "cpu"} if func in {torch.arange, torch.linspace, torch.tensor} else {}
        return func(*args, **{**own, **(kwargs or {})})


def on_default_device(model: nn.Module) -> nn.Module:
    """The model with buffers made from such numbers moved to where the others are."""
    device = torch.empty(0).device  # torch 2.6's get_default_device overlooks a device's ``with``
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = buffer.to(device)
    return model
