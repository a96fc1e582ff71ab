"""Output tensors on the meta device, for the few operators whose kernels there are Python and slow to load.

torch's own meta kernels for these import sympy and torch._dynamo, which takes longer than ``import torch``. Each rule
answers the plain case and returns None for anything else, also for arguments that do not fit, which torch's kernel
then answers or refuses in its own words. Tests hold every rule against torch's kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Rule = Callable[..., Any]


def output_on_meta(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What the operator *name* (ATen's, without overload) returns, or None where torch has to be asked."""
    rule = _RULES.get(name)
    if rule is None or kwargs or not all(_is_plain(arg) for arg in _tensors(args)):
        return None
    return rule(*args)


def _tensors(args: Sequence[Any]) -> list[Tensor]:
    nested = (arg if isinstance(arg, (list, tuple)) else (arg,) for arg in args)
    return [item for items in nested for item in items if isinstance(item, Tensor)]


def _empty(shape: Sequence[int]) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device="meta")


def _is_plain(tensor: Tensor) -> bool:
    return tensor.is_meta and tensor.dtype == torch.float32 and tensor.is_contiguous()


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Tensor | None:
    """Output side = (side + 2·padding - dilation·(kernel - 1) - 1) // stride + 1."""
    fits = (
        not transposed
        and x.dim() == weight.dim() == 4
        and len(stride) == len(padding) == len(dilation) == 2
        and groups > 0
        and x.shape[1] == weight.shape[1] * groups
        and weight.shape[0] % groups == 0
        and (bias is None or bias.shape == weight.shape[:1])
        and min(stride) > 0
        and min(dilation) > 0
        and min(padding) >= 0
    )
    if not fits:
        return None
    sides = [
        (side + 2 * pad - dilate * (kernel - 1) - 1) // step + 1
        for side, kernel, step, pad, dilate in zip(
            x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    return _empty((x.shape[0], weight.shape[0], *sides)) if min(sides) > 0 else None


def _native_batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor] | None:
    """In eval mode: the input's shape, and two empty statistics."""
    given = [vector for vector in (weight, bias, mean, variance) if vector is not None]
    if training or mean is None or variance is None or x.dim() < 2:
        return None
    if any(vector.shape != (x.shape[1],) for vector in given):
        return None
    return _empty(x.shape), _empty((0,)), _empty((0,))


def _upsample_bilinear2d(
    x: Tensor,
    output_size: list[int],
    align_corners: bool,
    scale_height: float | None = None,
    scale_width: float | None = None,
) -> Tensor | None:
    if x.dim() != 4 or len(output_size) != 2 or min(*output_size, *x.shape) <= 0:
        return None
    return _empty((*x.shape[:2], *output_size))


def _cat(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    if not tensors:
        return None
    first = tensors[0]
    rest = [[*tensor.shape[:dim], *tensor.shape[dim + 1 :]] for tensor in tensors]
    if not 0 <= dim < first.dim() or any(shape != rest[0] for shape in rest) or first.numel() == 0:
        return None
    return _empty((*first.shape[:dim], sum(tensor.shape[dim] for tensor in tensors), *first.shape[dim + 1 :]))


def _mean(x: Tensor, dim: list[int] | None = None, keepdim: bool = False) -> Tensor | None:
    if not dim or any(not -x.dim() <= axis < x.dim() for axis in dim) or x.numel() == 0:
        return None
    gone = {axis % x.dim() for axis in dim}
    if len(gone) != len(dim):
        return None
    kept = [1 if axis in gone else side for axis, side in enumerate(x.shape) if keepdim or axis not in gone]
    return _empty(kept)


def _same_shape(x: Tensor) -> Tensor:
    return _empty(x.shape)


def _broadcast(x: Tensor, other: Any) -> Tensor | None:
    """Two tensors of equal rank; each pair of sides is equal, or one of them is 1."""
    if not isinstance(other, Tensor) or x.dim() != other.dim():
        return None
    pairs = list(zip(x.shape, other.shape, strict=True))
    return _empty([b if a == 1 else a for a, b in pairs]) if all(a == b or 1 in (a, b) for a, b in pairs) else None


def _broadcast_in_place(x: Tensor, other: Any) -> Tensor | None:
    out = _broadcast(x, other)
    return x if out is not None and out.shape == x.shape else None


def _in_place(x: Tensor) -> Tensor:
    return x


_RULES: dict[str, Rule] = {
    "convolution": _convolution,
    "native_batch_norm": _native_batch_norm,
    "upsample_bilinear2d": _upsample_bilinear2d,
    "cat": _cat,
    "mean": _mean,
    "add": _broadcast,
    "add_": _broadcast_in_place,
    "mul": _broadcast,
    "mul_": _broadcast_in_place,
    "relu": _same_shape,
    "relu_": _in_place,
    "hardswish": _same_shape,
    "hardswish_": _in_place,
    "hardsigmoid": _same_shape,
    "hardsigmoid_": _in_place,
}
