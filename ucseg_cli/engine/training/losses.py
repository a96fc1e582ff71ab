"""The loss of a training step, made of whatever the model returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ucseg_cli.engine.recording.tensor_numbers import named_tensors_in
from ucseg_cli.engine.recording.way_on_cpu import OnCpu, on_cpu
from ucseg_cli.errors import ModelError, UsageError
from ucseg_cli.facts.choices import CROSS_ENTROPY, MEAN
from ucseg_cli.facts.training import NO_GRADIENT, help_for
from ucseg_cli.units import format_shape

LEAST_RANK = 2
"""The fewest axes of an output with classes, which are along the second."""


def trained_outputs(returned: Any) -> list[Tensor]:
    """The tensors that a loss can be made of; raises ModelError where there is none."""
    found = [one for _, one in named_tensors_in(returned) if one.requires_grad]
    if not found:
        raise ModelError(NO_GRADIENT, help=help_for(NO_GRADIENT))
    return found


def targets_for(outputs: Sequence[Tensor], loss: str | None) -> list[Tensor | None]:
    """A class for each place of each output that has classes, N×…; None for the others."""
    return [_classes(output) if _has_classes(output, loss) else None for output in outputs]


def total_loss(outputs: Sequence[Tensor], targets: Sequence[Tensor | None]) -> Tensor:
    """The sum over all outputs: cross-entropy where there is a target, else the mean."""
    losses = [
        output.mean() if target is None else cross_entropy(output, target)
        for output, target in zip(outputs, targets, strict=True)
    ]
    whole = losses[0]
    for loss in losses[1:]:
        whole = whole + loss
    return whole


def _has_classes(output: Tensor, loss: str | None) -> bool:
    fits = output.dim() >= LEAST_RANK and output.is_floating_point()
    if loss == CROSS_ENTROPY and not fits:
        what = f"an output {format_shape(tuple(output.shape))} has no axis of classes"
        fix = f"write --loss {MEAN}"
        raise UsageError(what, where=f"--loss {CROSS_ENTROPY}", help=fix)
    return fits and loss != MEAN


def _classes(output: Tensor) -> Tensor:
    shape = (output.shape[0], *output.shape[2:])
    if isinstance(output, OnCpu):
        made: Tensor = on_cpu(torch.empty(shape, dtype=torch.int64, device="meta"))
        return made
    return torch.zeros(shape, dtype=torch.int64, device=output.device)
