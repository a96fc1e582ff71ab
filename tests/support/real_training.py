"""The memory of a real training step on the CPU, in a loop as anyone writes it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._pytree import tree_leaves

from support.real_memory import StoragesAlive
from ucseg_cli.engine.recording.move_to_meta import moved_to_meta
from ucseg_cli.engine.recording.way_on_cpu import on_cpu
from ucseg_cli.engine.training.record_step import record_step
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training

SETTINGS: Mapping[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
}
"""Torch's own classes, which `ucseg` does without."""


def optimizer_of(model: nn.Module, name: str) -> Any:
    kind, given = SETTINGS[name]
    trained = [one for one in model.parameters() if one.requires_grad]
    return kind(trained, lr=1e-3, foreach=False, **given)


def most_alive_in_training(
    model: nn.Module, *inputs: Any, optimizer: str, amp: bool = False
) -> int:
    """The most bytes of storages alive in the second of two steps, all of them."""
    model.train()
    updates = optimizer_of(model, optimizer)
    targets: list[Tensor | None] = []

    def step(watching: Any) -> None:
        updates.zero_grad(set_to_none=True)
        with watching:
            with torch.autocast("cpu", torch.bfloat16) if amp else nullcontext():
                returned = model(*inputs)
                outputs = [one for one in tree_leaves(returned) if one.requires_grad]
                if not targets:
                    targets.extend(map(_target, outputs))
                first, *others = map(_loss, outputs, targets)
                loss = first
                del first
                while others:
                    loss = loss + others.pop(0)
            loss.backward()  # type: ignore[no-untyped-call]
            updates.step()

    step(nullcontext())
    state = [*chain.from_iterable(one.values() for one in updates.state.values())]
    updates.zero_grad(set_to_none=True)
    older = (*model.parameters(), *model.buffers(), *tree_leaves(inputs), *targets, *state)
    watching = StoragesAlive([one for one in older if isinstance(one, Tensor)], ())
    step(watching)
    return watching.most


def _target(output: Tensor) -> Tensor | None:
    if output.dim() < 2:
        return None
    return torch.zeros((output.shape[0], *output.shape[2:]), dtype=torch.int64)


def _loss(output: Tensor, target: Tensor | None) -> Tensor:
    return output.mean() if target is None else cross_entropy(output, target)


def record_step_without_data(
    model: nn.Module, *inputs: Tensor, training: Training, says_cpu: bool = False
) -> Trace:
    """The step on meta, as the engine records it."""

    def without_data(x: Tensor) -> Tensor:
        moved = x.detach().to("meta")
        return (on_cpu(moved) if says_cpu else moved).requires_grad_(x.requires_grad)

    with moved_to_meta(model, on_cpu if says_cpu else None):
        return record_step(model, *map(without_data, inputs), training=training)
