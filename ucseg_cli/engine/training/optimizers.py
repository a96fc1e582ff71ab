"""Updates of parameters by torch's own functions, without its classes.

Those import torch's compiler when they are made, which takes longer than importing torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

LEARNING_RATE = 1e-3
MOMENTUM = 0.9


class State(NamedTuple):
    """Kept between steps: tensors like the parameters, and numbers of steps."""

    likenesses: Sequence[list[Tensor]]
    steps: list[Tensor]

    @property
    def tensors(self) -> list[Tensor]:
        """All of them."""
        return [*chain.from_iterable(self.likenesses), *self.steps]


def state_of(optimizer: str, parameters: Sequence[Tensor]) -> State:
    """The state after an earlier step; its values do not matter."""
    adaptive = optimizer in {"adam", "adamw"}
    kept = 2 if adaptive else int(optimizer == "momentum")
    likenesses = [list(map(torch.empty_like, parameters)) for _ in range(kept)]
    return State(likenesses, [torch.tensor(1.0) for _ in parameters if adaptive])


def update(optimizer: str, parameters: list[Tensor], gradients: list[Tensor], state: State) -> None:
    """One update in place, a parameter after the other, with the defaults of torch's classes."""
    if optimizer in {"adam", "adamw"}:
        means, squares = state.likenesses
        rule, decay = (adamw, 1e-2) if optimizer == "adamw" else (adam, 0.0)
        rule(
            parameters,
            gradients,
            means,
            squares,
            [],
            state.steps,
            foreach=False,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=LEARNING_RATE,
            weight_decay=decay,
            eps=1e-8,
            maximize=False,
        )
        return
    nothing: list[Tensor | None] = [None for _ in parameters]
    sgd(
        parameters,
        gradients,
        [*state.likenesses[0]] if state.likenesses else nothing,
        foreach=False,
        weight_decay=0.0,
        momentum=MOMENTUM if state.likenesses else 0.0,
        lr=LEARNING_RATE,
        dampening=0.0,
        nesterov=False,
        maximize=False,
    )
