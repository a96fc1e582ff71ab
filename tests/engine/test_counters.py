"""Other counters run on modules of every kind, and a counter that is wrong is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ucseg_cli.analysis.agreement import Difference, agreement
from ucseg_cli.analysis.conventions import CONVENTIONS
from ucseg_cli.analysis.flops import uncounted
from ucseg_cli.conditions import Conditions, Size
from ucseg_cli.count import Count
from ucseg_cli.engine.counters import count_model, count_model_of, count_with_fvcore
from ucseg_cli.engine.record import record
from ucseg_cli.trace import Trace
from ucseg_cli.variants import CATALOGUE, Variant

TraceOf = Callable[[Variant, Conditions], Trace]
X = (2, 4, 6, 8)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "grouped conv": (nn.Conv2d(4, 6, (3, 1), stride=2, padding=1, dilation=2, groups=2), X),
    "transposed conv": (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), X),
    "conv 1d": (nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "conv 3d": (nn.Conv3d(4, 6, 3), (2, 4, 5, 6, 7)),
    "transposed conv 1d": (nn.ConvTranspose1d(4, 6, 3), (2, 4, 9)),
    "conv without batch": (nn.Conv2d(4, 6, 3), (4, 6, 8)),
    "reflecting conv": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), X),
    "linear": (nn.Linear(4, 5), (2, 4)),
    "linear on a vector": (nn.Linear(4, 5), (4,)),
    "linear on more axes": (nn.Linear(8, 5), X),
    "linear without bias": (nn.Linear(8, 5, bias=False), X),
    "matmul": (Function(lambda x: x @ x.mT), (2, 3, 4)),
    "matmul broadcast": (Function(lambda x: x @ torch.ones(4, 6)), (2, 3, 4)),
    "matmul broadcast to the left": (Function(lambda x: torch.ones(3, 2) @ x), (5, 2, 4)),
    "vector times matrix": (Function(lambda x: torch.ones(2) @ x), (2, 4)),
    "mm": (Function(lambda x: torch.mm(x, x.T)), (2, 4)),
    "addmm": (Function(lambda x: torch.addmm(torch.ones(2), x, x.T)), (2, 4)),
    "bmm": (Function(lambda x: torch.bmm(x, x.mT)), (2, 3, 4)),
    "batch norm": (nn.BatchNorm2d(4), X),
    "batch norm without affine": (nn.BatchNorm2d(4, affine=False), X),
    "batch norm without statistics": (nn.BatchNorm2d(4, track_running_stats=False), X),
    "layer norm": (nn.LayerNorm(8), X),
    "layer norm without affine": (nn.LayerNorm(8, elementwise_affine=False), X),
    "group norm": (nn.GroupNorm(2, 4), X),
    "group norm without affine": (nn.GroupNorm(2, 4, affine=False), X),
    "instance norm": (nn.InstanceNorm2d(4), X),
    "instance norm with affine": (nn.InstanceNorm2d(4, affine=True, track_running_stats=True), X),
    "nearest": (nn.Upsample(scale_factor=2), X),
    "bilinear": (nn.Upsample(scale_factor=2.5, mode="bilinear"), X),
    "bilinear with aligned corners": (nn.Upsample((7, 9), mode="bilinear", align_corners=True), X),
    "bicubic": (nn.Upsample(scale_factor=2, mode="bicubic"), X),
    "adaptive pooling": (nn.AdaptiveAvgPool2d((2, 3)), X),
    "global pooling": (nn.AdaptiveAvgPool2d(1), X),
    "adaptive pooling 1d": (nn.AdaptiveAvgPool1d(2), (2, 4, 6)),
    "grid sample": (Function(lambda x: functional.grid_sample(x, torch.zeros(2, 3, 3, 2), align_corners=False)), X),
    "max pooling": (nn.MaxPool2d(2), X),
    "a conv called twice": (nn.Sequential(conv := nn.Conv2d(4, 4, 1), nn.ReLU(), conv), X),
}


@pytest.mark.parametrize(("module", "shape"), CASES.values(), ids=CASES)
def test_what_other_counters_say_of_a_module_is_what_we_say(module: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape)
    trace = record(module, x)
    counts = count_model(module.eval(), x)
    assert [agreement(trace, count).differences for count in counts] == [(), (), ()]


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_conv_that_fvcore_misses_because_its_padding_is_a_word_is_shown_as_a_difference(padding: str) -> None:
    module, x = nn.Conv2d(4, 6, 3, padding=padding).eval(), torch.zeros(X)
    result = agreement(record(module, x), count_with_fvcore(module, x))
    positions = 6 * 8 if padding == "same" else 4 * 6
    assert (result.ours, result.theirs) == (2 * positions * 4 * 6 * 9, 0)
    assert [difference.scope for difference in result.differences] == ["total", "module", "operator"]


@pytest.mark.parametrize(("equation", "sizes"), [("bij,bjk->bik", 2 * 3 * 4 * 5), ("bij,bjk->i", 2 * 3 * 4 * 5)])
def test_einsum_has_a_price_with_fvcore_and_none_with_us_which_is_shown_as_a_difference(
    equation: str, sizes: int
) -> None:
    other = torch.ones(2, 4, 5)
    module, x = Function(lambda x: torch.einsum(equation, x, other)), torch.zeros(2, 3, 4)
    trace = record(module, x)
    result = agreement(trace, count_with_fvcore(module, x))
    assert Difference("operator", "einsum", None, sizes) in result.differences
    assert "einsum" in {call.op for call in uncounted(trace, CONVENTIONS["fvcore"])}


def test_attention_recorded_without_data_costs_what_fvcore_says_of_it() -> None:
    """On real tensors torch runs it as one fused operator that neither counts."""
    attention, x = nn.MultiheadAttention(8, 2).eval(), torch.zeros(2, 3, 8)
    theirs = count_with_fvcore(attention, x, x, x)
    on_meta = x.to("meta")
    ours = agreement(record(attention.to("meta"), on_meta, on_meta, on_meta), theirs)
    assert ours.agrees
    assert ours.theirs == 4 * (2 * 3 * 8 * 8) + 2 * (
        3 * 2 * 2 * 2 * 4
    )  # in and out of 8 by 8; 3·2 heads of 2 by 2 by 4


def test_a_module_that_nobody_prices_counts_nothing_everywhere() -> None:
    counts = count_model(nn.Hardswish(), torch.zeros(X))
    assert [count.total for count in counts] == [0, 0, 0]


def test_the_counters_leave_the_model_without_hooks_and_in_its_mode() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    keys = list(model.state_dict())
    count_model(model, torch.zeros(X))
    assert list(model.state_dict()) == keys
    assert not any(module.training or module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.is_grad_enabled()


# A counter that is wrong


CONDITIONS = Conditions(Size(33, 47))


@pytest.fixture(scope="module")
def counts() -> dict[str, Count]:
    return {count.counter: count for count in count_model_of(CATALOGUE["v2"], CONDITIONS)}


@pytest.fixture
def trace(trace_of: TraceOf) -> Trace:
    return trace_of(CATALOGUE["v2"], CONDITIONS)


@pytest.mark.parametrize("counter", ["numel", "fvcore", "torch"])
def test_untouched_counts_agree_in_every_figure(trace: Trace, counts: dict[str, Count], counter: str) -> None:
    result = agreement(trace, counts[counter])
    assert result.agrees
    assert (result.counter, result.ours) == (counter, result.theirs)
    assert result.compared > 190


@pytest.mark.parametrize("counter", ["numel", "fvcore", "torch"])
def test_a_total_off_by_one_is_caught(trace: Trace, counts: dict[str, Count], counter: str) -> None:
    wrong = counts[counter]._replace(total=counts[counter].total + 1)
    result = agreement(trace, wrong)
    assert result.differences == (Difference("total", "", wrong.total - 1, wrong.total),)
    assert not result.agrees


@pytest.mark.parametrize("counter", ["numel", "fvcore", "torch"])
def test_a_module_off_by_one_is_caught(trace: Trace, counts: dict[str, Count], counter: str) -> None:
    right = counts[counter].modules["aspp.project.0"]
    wrong = counts[counter]._replace(modules={**counts[counter].modules, "aspp.project.0": right - 1})
    assert agreement(trace, wrong).differences == (Difference("module", "aspp.project.0", right, right - 1),)


@pytest.mark.parametrize("counter", ["fvcore", "torch"])
def test_an_operator_off_by_one_is_caught(trace: Trace, counts: dict[str, Count], counter: str) -> None:
    operators = counts[counter].operators or {}
    wrong = counts[counter]._replace(operators={**operators, "conv": operators["conv"] + 1})
    assert agreement(trace, wrong).differences == (
        Difference("operator", "conv", operators["conv"], operators["conv"] + 1),
    )


def test_what_only_one_counter_has_is_a_difference_and_what_is_missing_is_none(
    trace: Trace, counts: dict[str, Count]
) -> None:
    theirs: dict[str, Any] = dict(counts["fvcore"].operators or {})
    theirs["hardswish"] = 7
    without = theirs.pop("batch_norm")
    modules = dict(counts["fvcore"].modules)
    project = modules.pop("aspp.project.0")
    wrong = counts["fvcore"]._replace(operators=theirs, modules=modules)
    assert agreement(trace, wrong).differences == (
        Difference("module", "aspp.project.0", project, None),
        Difference("operator", "batch_norm", without, None),
        Difference("operator", "hardswish", None, 7),
    )


def test_a_figure_of_nothing_may_be_left_out(trace: Trace, counts: dict[str, Count]) -> None:
    some = {path: count for path, count in counts["fvcore"].modules.items() if count}
    assert len(some) < len(counts["fvcore"].modules)
    assert agreement(trace, counts["fvcore"]._replace(modules=some)).agrees
