"""Random numbers are named where the pass reads them, and only there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from support.function_module import Function
from ucseg_cli.analysis.counting.random_draws import draws_that_decide
from ucseg_cli.engine.recording.record import record


def through_a_view(x: Tensor) -> Tensor:
    kept = torch.zeros(4, 2)
    kept[1].uniform_()
    return x * 2 if kept.sum() > 1 else x


DECIDE: dict[str, tuple[Callable[[Tensor], Tensor], dict[str, int]]] = {
    "a branch": (lambda x: x + 1 if torch.rand(1) < 0.5 else x, {"rand": 1}),
    "a length": (lambda x: x[:, : int(torch.randint(1, 3, (1,)).item())], {"randint": 1}),
    "a mask": (lambda x: x[torch.rand(x.shape) < 0.5], {"rand": 1}),
    "positions": (lambda x: x.flatten()[(torch.randn(7) > 0).nonzero()], {"randn": 1}),
    "two draws": (
        lambda x: x if torch.rand(2).sum() + torch.rand(1) > torch.randn(1) else x + 1,
        {"rand": 2, "randn": 1},
    ),
    "a list": (lambda x: x * torch.rand(2).tolist()[0], {"rand": 1}),
    "written in place": (through_a_view, {"uniform": 1}),
}
DECIDE_NOTHING: dict[str, Callable[[Tensor], Tensor]] = {
    "noise": lambda x: x + torch.randn_like(x),
    "dropout": lambda x: functional.dropout(x, 0.5, training=True),
    "an order": lambda x: x[:, torch.randperm(3)],
    "a branch on something else": lambda x: x * torch.rand(1) if torch.ones(1) > 0 else x,
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("function", "draws"), DECIDE.values(), ids=DECIDE)
def test_a_draw_is_named_on_which_a_shape_or_a_branch_depends(
    function: Callable[[Tensor], Tensor], draws: dict[str, int], device: str
) -> None:
    if device == "meta" and draws == {"randn": 1}:
        pytest.skip("positions cannot be taken from the CPU to meta")
    trace = record(Function(function), torch.ones(1, 3, 8, 8, device=device))
    assert draws_that_decide(trace) == draws


@pytest.mark.parametrize("function", DECIDE_NOTHING.values(), ids=DECIDE_NOTHING)
def test_noise_decides_nothing(function: Callable[[Tensor], Tensor]) -> None:
    trace = record(Function(function), torch.ones(1, 3, 8, 8))
    assert draws_that_decide(trace) == {}
