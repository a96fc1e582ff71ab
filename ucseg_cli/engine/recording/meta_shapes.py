"""Shapes of outputs on the meta device, for operators whose own meta kernels are slow.

Those kernels are Python: they import sympy and torch._dynamo, which takes longer than ``import
torch``, and some take a millisecond for a shape. Each rule answers the plain case and returns None
for anything else, also for arguments that do not fit: torch's kernel then answers or refuses in its
own words. A kernel that is larger than its input is refused here, in the same words. Tests compare
every rule with torch's kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from ucseg_cli.engine.recording import backward_shapes
from ucseg_cli.engine.recording.plain_tensors import (
    CLASSES,
    META,
    ShapeRule,
    empty,
    is_of,
    is_plain,
)


def output_on_meta(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The output of operator *name* (ATen's, without overload); None where torch must answer."""
    if name == "convolution":
        _refuse_steps(*args[3:6])
    if kwargs and name not in backward_shapes.WEIGHTED:
        return _filled(*args, **kwargs) if name in {"zeros", "ones"} else None
    if (rule := _RULES.get(name)) is not None:
        return rule(*args) if _are_plain(args) else None
    rule = _RULES_THAT_LOOK.get(name)
    return None if rule is None else rule(*args)


def _refuse_steps(stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]) -> None:
    """Raise as torch does on the CPU, where it is asked for what its kernel on meta lets pass."""
    if min(dilation, default=1) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if min(stride, default=1) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(padding, default=0) < 0:
        raise RuntimeError("negative padding is not supported")


def _are_plain(args: Sequence[Any]) -> bool:
    for arg in args:
        if isinstance(arg, Tensor):
            if not is_plain(arg):
                return False
        elif isinstance(arg, (list, tuple)) and not _are_plain(arg):
            return False
    return True


def _filled(size: Sequence[int], **settings: Any) -> Tensor | None:
    """A new tensor of zeros or ones: torch 2.6 has no fast kernel for these on meta."""
    return torch.empty(size, **settings) if settings.get("device") == META else None


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor | None:
    """Output side = (side + 2·padding - dilation·(kernel - 1) - 1) // stride + 1."""
    stride, padding, dilation, transposed, _, groups = settings
    if transposed or groups <= 0 or x.dim() != 4 or weight.dim() != 4:
        return None
    if not len(stride) == len(padding) == len(dilation) == 2:
        return None
    outputs, inputs, *kernel = weight.shape
    fits = (
        x.shape[1] == inputs * groups
        and outputs % groups == 0
        and (bias is None or bias.shape == (outputs,))
        and min(*stride, *dilation) > 0
        and min(padding) >= 0
    )
    if not fits:
        return None
    each_axis = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    sides = [(side + 2 * pad - d * (k - 1) - 1) // step + 1 for side, k, step, pad, d in each_axis]
    if min(sides) <= 0:
        raise RuntimeError(_too_large(x, kernel, padding, dilation))
    return empty((x.shape[0], outputs, *sides))


def _too_large(x: Tensor, kernel: list[int], padding: list[int], dilation: list[int]) -> str:
    """Torch's words for a kernel that does not fit; on meta torch 2.6 has none."""
    padded = [side + 2 * pad for side, pad in zip(x.shape[2:], padding, strict=True)]
    spread = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    return (
        f"Calculated padded input size per channel: ({padded[0]} x {padded[1]}). "
        f"Kernel size: ({spread[0]} x {spread[1]}). "
        "Kernel size can't be greater than actual input size"
    )


def _native_batch_norm(
    x: Tensor, *vectors_and_settings: Any
) -> tuple[Tensor, Tensor, Tensor] | None:
    """The input's shape, and its statistics, which are empty in eval mode."""
    weight, bias, mean, variance, training, _momentum, _eps = vectors_and_settings
    given = [vector for vector in (weight, bias, mean, variance) if vector is not None]
    if mean is None or variance is None or x.dim() < 2:
        return None
    if any(vector.shape != (x.shape[1],) for vector in given):
        return None
    statistic = (x.shape[1] if training else 0,)
    return empty(x.shape), empty(statistic), empty(statistic)


def _upsample_bilinear2d(
    x: Tensor,
    output_size: list[int],
    align_corners: bool,
    scale_height: float | None = None,
    scale_width: float | None = None,
) -> Tensor | None:
    if x.dim() != 4 or len(output_size) != 2 or min(*output_size, *x.shape) <= 0:
        return None
    return empty((*x.shape[:2], *output_size))


def _cat(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    if not tensors:
        return None
    first = tensors[0]
    rest = [[*tensor.shape[:dim], *tensor.shape[dim + 1 :]] for tensor in tensors]
    if not 0 <= dim < first.dim() or any(shape != rest[0] for shape in rest) or first.numel() == 0:
        return None
    joined = sum(tensor.shape[dim] for tensor in tensors)
    return empty((*first.shape[:dim], joined, *first.shape[dim + 1 :]))


def _reduced(x: Tensor, dim: list[int] | None = None, keepdim: bool = False) -> Tensor | None:
    if not dim or any(not -x.dim() <= axis < x.dim() for axis in dim) or x.numel() == 0:
        return None
    gone = {axis % x.dim() for axis in dim}
    if len(gone) != len(dim):  # torch refuses an axis named twice
        return None
    sides = [1 if axis in gone else side for axis, side in enumerate(x.shape)]
    return empty([side for axis, side in enumerate(sides) if keepdim or axis not in gone])


def _layer_norm(
    x: Tensor, normalized_shape: list[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor] | None:
    """The input's shape, and two statistics whose normalised sides are 1."""
    sides = tuple(normalized_shape)
    kept = x.dim() - len(sides)
    if not sides or kept < 0 or x.shape[kept:] != sides:
        return None
    if any(vector is not None and vector.shape != sides for vector in (weight, bias)):
        return None
    statistic = (*x.shape[:kept], *[1] * len(sides))
    return empty(x.shape), empty(statistic), empty(statistic)


def _addmm(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor | None:
    """A matrix product with any strides, such as of a transposed weight, plus a vector."""
    if not all(is_of(tensor, torch.float32) for tensor in (bias, x, weight)):
        return None
    if x.dim() != 2 or weight.dim() != 2 or x.shape[1] != weight.shape[0]:
        return None
    return empty((x.shape[0], weight.shape[1])) if bias.shape == weight.shape[1:] else None


def _roll(x: Tensor, shifts: list[int], dims: Sequence[int] = ()) -> Tensor | None:
    fits = dims and len(shifts) == len(dims) and all(-x.dim() <= axis < x.dim() for axis in dims)
    return empty(x.shape) if fits else None


def _index(x: Tensor, indices: list[Tensor | None]) -> Tensor | None:
    """Rows of a table, by one map of row numbers with any strides."""
    rows = indices[0] if len(indices) == 1 else None
    if rows is None or not is_of(rows, torch.int64) or not is_plain(x):
        return None
    return empty((*rows.shape, *x.shape[1:])) if x.dim() > 0 and x.numel() > 0 else None


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor | None:
    """A number where the mask is true; the mask may lack sides or have sides of 1."""
    if isinstance(value, Tensor) or not (is_plain(x) and is_of(mask, torch.bool)):
        return None
    return empty(x.shape) if _broadcast_shape(x.shape, mask.shape) == x.shape else None


def _softmax(x: Tensor, dim: int, _: object = None) -> Tensor | None:
    return empty(x.shape) if -x.dim() <= dim < x.dim() and not _ else None


def _same_shape(x: Tensor) -> Tensor:
    return empty(x.shape)


def _broadcast(x: Tensor, other: Any) -> Tensor | None:
    """Two tensors, or a tensor and a real number."""
    if isinstance(other, (int, float)):
        return empty(x.shape)
    shape = _broadcast_shape(x.shape, other.shape) if isinstance(other, Tensor) else None
    return None if shape is None else empty(shape)


def _broadcast_shape(one: torch.Size, other: torch.Size) -> tuple[int, ...] | None:
    """Each pair of sides, from the last on, is equal, or one of them is 1 or lacking."""
    if one == other:
        return one
    pairs = list(zip_longest(reversed(one), reversed(other), fillvalue=1))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return None
    return tuple(b if a == 1 else a for a, b in reversed(pairs))


def _broadcast_in_place(x: Tensor, other: Any) -> Tensor | None:
    if isinstance(other, Tensor):
        return x if _broadcast_shape(x.shape, other.shape) == x.shape else None
    return x if isinstance(other, (int, float)) else None


def _compare(x: Tensor, other: Any) -> Tensor | None:
    return empty(x.shape, torch.bool) if isinstance(other, (int, float)) else None


def _in_place(x: Tensor) -> Tensor:
    return x


def _made_larger(name: str) -> ShapeRule:
    """Torch's own shape, in a storage of the size of what the CPU's kernel starts from.

    That kernel makes its output as large as its inputs, and then gives it another shape.
    """
    kernel = getattr(torch.ops.aten, name)

    def shape(x: Tensor, *others: Any) -> Tensor | None:
        if type(x) not in CLASSES or not x.is_meta:
            return None
        out: Tensor = kernel(x, *others)
        is_pair = bool(others) and isinstance(others[0], Tensor)
        sides = _broadcast_shape(x.shape, others[0].shape) if is_pair else x.shape
        return out if sides is None else out.new_empty(sides).resize_(out.shape)

    return shape


_RULES: dict[str, ShapeRule] = {
    "convolution": _convolution,
    "native_batch_norm": _native_batch_norm,
    "native_layer_norm": _layer_norm,
    "upsample_bilinear2d": _upsample_bilinear2d,
    "cat": _cat,
    **dict.fromkeys(("mean", "sum"), _reduced),
    "roll": _roll,
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax"), _softmax),
    **dict.fromkeys(("add", "sub", "mul", "div"), _broadcast),
    **dict.fromkeys(("add_", "mul_"), _broadcast_in_place),
    **dict.fromkeys(("eq", "ne"), _compare),
    **dict.fromkeys(
        ("gelu", "hardsigmoid", "hardswish", "relu", "sigmoid", "silu", "sqrt"), _same_shape
    ),
    **dict.fromkeys(("hardsigmoid_", "hardswish_", "relu_", "sigmoid_", "silu_"), _in_place),
    **backward_shapes.PLAIN,
}
"""Rules for calls whose tensors are all plain: float32 and contiguous."""

_RULES_THAT_LOOK: dict[str, ShapeRule]
_RULES_THAT_LOOK = {
    "addmm": _addmm,
    "index": _index,
    "masked_fill": _masked_fill,
    **{name: _made_larger(name) for name in ("col2im", "im2col", "mse_loss", "smooth_l1_loss")},
    **{name: _made_larger(name) for name in ("binary_cross_entropy", "soft_margin_loss")},
    **backward_shapes.LOOKING,
}
"""Rules that check the tensors themselves, since not all of them need be plain."""
