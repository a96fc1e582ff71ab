"""A training step as conditions name it: what is minimised, how, and with which savings."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.facts.choices import DEFAULT_OPTIMIZER, OPTIMIZERS


class Training(NamedTuple):
    """One step: gradients set to none, forward, loss, backward, update without foreach.

    Args:
        optimizer: one of OPTIMIZERS, with torch's defaults; it has taken a step before.
        loss: CROSS_ENTROPY or MEAN; None for cross-entropy on outputs N×C×…, else the mean.
        amp: whether forward and loss run under autocast, in bfloat16.
        frozen: patterns of modules and parameters that get no gradient.
        checkpointed: patterns of modules that keep only their inputs, and run again in backward.
    """

    optimizer: str = DEFAULT_OPTIMIZER
    loss: str | None = None
    amp: bool = False
    frozen: tuple[str, ...] = ()
    checkpointed: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [OPTIMIZERS[self.optimizer], self.loss or "loss by output"]
        if self.amp:
            parts.append("autocast to bfloat16")
        if self.frozen:
            parts.append(f"frozen {' '.join(self.frozen)}")
        if self.checkpointed:
            parts.append(f"checkpointed {' '.join(self.checkpointed)}")
        return ", ".join(parts)


NO_GRADIENT = "no output depends on a parameter that gets a gradient"
"""The failure of a model with nothing to train."""
_WAYS_OUT = {
    "more than 1 value per channel": "batch norm has no statistics of one value: train with "
    "--batch 2 or more",
    NO_GRADIENT: "freeze less, or let the outputs depend on parameters: no_grad, inference_mode, "
    "detach and integers stop gradients",
    "modified by an inplace operation": "its backward pass needs what was overwritten: write that "
    "operation out of place",
    "only for real scalar outputs": "a loss is a real number: let forward return real tensors, or "
    "the loss itself",
    "SparseCPU": "the optimizer takes no sparse gradients: write --optimizer sgd, or leave sparse "
    "out of the embedding",
}
"""The way out of failures that training alone has, by a part of their text."""


def help_for(failure: str) -> str | None:
    """The way out of a failure that training alone has; None for another."""
    return next((way for part, way in _WAYS_OUT.items() if part in failure), None)
