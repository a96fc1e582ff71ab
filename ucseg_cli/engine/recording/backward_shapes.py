"""Shapes of what training runs, on the meta device; see meta_shapes, whose rules these join."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ucseg_cli.engine.recording.plain_tensors import ShapeRule, empty, is_of, is_plain


def _of_gradient(gradient: Tensor, *others: Any) -> Tensor | None:
    """The gradient before an operator that keeps shapes, from the one behind it."""
    alike = (other for other in others if isinstance(other, Tensor))
    return empty(gradient.shape) if all(one.shape == gradient.shape for one in alike) else None


def _batch_norm(
    gradient: Tensor, x: Tensor, weight: Tensor | None, *vectors_and_settings: Any
) -> tuple[Tensor | None, ...] | None:
    """Gradients of the input, the weight and the bias, as far as they are wanted."""
    *_, _training, _eps, wanted = vectors_and_settings
    if gradient.shape != x.shape or x.dim() < 2 or weight is None:
        return None
    shapes = (x.shape, weight.shape, weight.shape)
    return tuple(
        empty(shape) if is_wanted else None for shape, is_wanted in zip(shapes, wanted, strict=True)
    )


def _nll_loss(
    scores: Tensor, target: Tensor, weight: Tensor | None, *settings: Any
) -> tuple[Tensor, Tensor] | None:
    """The mean or sum over all places, and the sum of their weights."""
    places = (scores.shape[0], *scores.shape[2:])
    fits = is_plain(scores) and is_of(target, torch.int64) and scores.dim() >= 2
    if not fits or weight is not None or target.shape != places or settings[0] == 0:
        return None
    return empty(()), empty(())


def _nll_loss_backward(
    gradient: Tensor, scores: Tensor, target: Tensor, weight: Tensor | None, *_: Any
) -> Tensor | None:
    fits = is_plain(gradient) and is_plain(scores) and is_of(target, torch.int64)
    return empty(scores.shape) if fits and weight is None and gradient.dim() == 0 else None


def _in_place(x: Tensor, *others: Any) -> Tensor | None:
    alike = (other for other in others if isinstance(other, Tensor))
    return x if all(other.shape == x.shape for other in alike) else None


WEIGHTED = frozenset({"lerp_", "addcmul_", "addcdiv_"})
"""Writes in place whose keywords are factors alone."""

PLAIN: dict[str, ShapeRule] = {
    "native_batch_norm_backward": _batch_norm,
    **dict.fromkeys(WEIGHTED, _in_place),
    "_log_softmax_backward_data": _of_gradient,
    "_softmax_backward_data": _of_gradient,
    "threshold_backward": _of_gradient,
    **{f"{name}_backward": _of_gradient for name in ("hardswish", "hardsigmoid", "silu", "gelu")},
}
"""Rules for calls whose tensors are all plain."""

LOOKING: dict[str, ShapeRule] = {
    **dict.fromkeys(("nll_loss_forward", "nll_loss2d_forward"), _nll_loss),
    **dict.fromkeys(("nll_loss_backward", "nll_loss2d_backward"), _nll_loss_backward),
}
"""Rules that check the tensors themselves."""
