"""The tensors without data for which rules give shapes: float32, contiguous, no subclass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

ShapeRule = Callable[..., Any]

META = torch.device("meta")
CLASSES = {Tensor, nn.Parameter}
"""Only these: a subclass decides itself what its operators return."""


def empty(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """A new one."""
    return torch.empty(shape, dtype=dtype, device=META)


def is_plain(tensor: Tensor) -> bool:
    """Whether it is contiguous, in float32."""
    return is_of(tensor, torch.float32) and tensor.is_contiguous()


def is_of(tensor: Any, dtype: torch.dtype) -> bool:
    """Whether it is a meta tensor of an element type, with any strides."""
    if type(tensor) not in CLASSES or not tensor.is_meta:
        return False
    return tensor.dtype is dtype and tensor.layout is torch.strided
