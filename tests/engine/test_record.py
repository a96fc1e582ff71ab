"""Recording works for any module, however it calls its parts, and leaves nothing behind."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as hooks_of_torch

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.module_tree import roll_up
from ucseg_cli.analysis.counting.operations import own_flops, total_flops, uncounted
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.trace import Trace

X = (2, 4, 6, 8)
"""N, C, H, W of most inputs here."""


class Wrapped(nn.Module):
    """A module whose forward is a function of the input, with any children."""

    def __init__(self, function: Callable[..., Any], **children: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self, *inputs)


def on_meta(module: nn.Module, *shapes: tuple[int, ...]) -> Trace:
    return record(module.to("meta"), *(torch.empty(shape, device="meta") for shape in shapes))


def names(trace: Trace, path: str) -> list[str]:
    """The operators that the module at *path* called itself."""
    return [
        op.name for op in trace.ops if op.parent is None and trace.modules[op.module].path == path
    ]


# Who an operator belongs to


def test_a_container_that_is_only_iterated_has_the_sum_of_what_ran_in_it() -> None:
    class Iterating(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)])

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    trace = on_meta(Iterating(), X)
    macs = {path: figures["macs"] for path, figures in roll_up(trace, own_flops(trace)).items()}
    assert trace.by_path["layers"].calls == 0
    assert macs == {
        "": 2 * 48 * (4 * 4 + 4 * 2),  # N · H·W · (in · out of both)
        "layers": 2 * 48 * (4 * 4 + 4 * 2),
        "layers.0": 2 * 48 * 4 * 4,
        "layers.1": 2 * 48 * 4 * 2,
    }


def test_a_function_belongs_to_the_module_whose_forward_ran_it() -> None:
    inner = Wrapped(lambda _, x: torch.cat([functional.relu(x), x + 1], dim=1))
    trace = on_meta(
        Wrapped(lambda self, x: functional.interpolate(self.inner(x), scale_factor=2), inner=inner),
        X,
    )
    assert names(trace, "inner") == ["relu", "add", "cat"]
    assert names(trace, "") == ["upsample_nearest2d"]


def test_a_method_of_a_child_that_is_not_its_forward_belongs_to_the_caller() -> None:
    child = nn.Conv2d(4, 2, 1)
    trace = on_meta(
        Wrapped(lambda self, x: self.child._conv_forward(x, self.child.weight, None), child=child),
        X,
    )
    assert names(trace, "") == ["conv2d"]
    assert trace.by_path["child"].calls == 0


def test_a_module_made_in_forward_belongs_to_the_one_that_made_it() -> None:
    trace = on_meta(Wrapped(lambda _, x: nn.ReLU()(x)), X)
    assert names(trace, "") == ["relu"]


def test_a_module_whose_error_is_caught_gives_the_floor_back_to_its_caller() -> None:
    broken = nn.Conv2d(5, 5, 1)

    def survive(_: Wrapped, x: Tensor) -> Tensor:
        with pytest.raises(RuntimeError):
            broken(x)
        return functional.relu(x)

    trace = on_meta(Wrapped(survive, broken=broken), X)
    assert names(trace, "")[-1] == "relu"


# Counted once, or twice


def test_a_module_called_twice_costs_twice_and_its_parameters_count_once() -> None:
    trace = on_meta(
        Wrapped(lambda self, x: self.conv(self.conv(x)), conv=nn.Conv2d(4, 4, 1, bias=False)), X
    )
    assert trace.by_path["conv"].calls == 2
    assert total_flops(trace)["macs"] == 2 * (2 * 48 * 4 * 4)
    assert total_params(trace)["params"] == 4 * 4


def test_a_module_under_two_names_is_one_module_with_an_alias() -> None:
    conv = nn.Conv2d(4, 4, 1, bias=False)
    trace = on_meta(Wrapped(lambda self, x: self.second(self.first(x)), first=conv, second=conv), X)
    assert trace.by_path["second"].alias_of == "first"
    assert trace.by_path["first"].calls == 2
    assert total_params(trace)["params"] == 4 * 4
    assert {path: figures["macs"] for path, figures in own_flops(trace).items()} == {
        "": 0,
        "first": 2 * (2 * 48 * 4 * 4),
        "second": 0,
    }


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_parameter_of_two_modules_counts_once(device: str) -> None:
    first, second = (nn.Linear(4, 4, bias=False, device=device) for _ in range(2))
    second.weight = first.weight
    trace = record(nn.Sequential(first, second), torch.zeros(1, 4, device=device))
    assert trace.by_path["0"].parameters[0].tensor == trace.by_path["1"].parameters[0].tensor
    assert total_params(trace) == {
        "params": 16,
        "trainable": 16,
        "frozen": 0,
        "buffers": 0,
        "bytes": 4 * 16,
    }


def test_frozen_and_trainable_parameters_and_buffers_are_counted_separately() -> None:
    norm = nn.BatchNorm2d(4)
    norm.bias.requires_grad = False
    figures = total_params(on_meta(norm, X))
    # mean and variance of 4, and the counter of batches, which has 8 bytes
    assert figures == {
        "params": 8,
        "trainable": 4,
        "frozen": 4,
        "buffers": 9,
        "bytes": 4 * 8 + 4 * 8 + 8,
    }


# Costs of single operators


@pytest.mark.parametrize(
    ("module", "shape", "macs"),
    [
        # grouped: each of 6 filters reads 4 / 2 channels under 3·1;
        # height (6+2-5)//2+1 = 2, width (8+2-1)//2+1 = 5
        (nn.Conv2d(4, 6, (3, 1), stride=2, padding=1, dilation=2, groups=2), X,
         2 * 2 * 5 * 6 * (4 // 2) * 3),
        # depthwise: as many groups as channels
        (nn.Conv2d(4, 4, 3, padding=1, groups=4), X, 2 * 48 * 4 * 9),
        # transposed: every input position meets the whole kernel
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), X, 2 * 48 * 4 * (6 // 2) * 9),
        (nn.Conv1d(4, 6, 3), (2, 4, 9), 2 * 7 * 4 * 6 * 3),
        (nn.Conv3d(4, 6, 3), (2, 4, 5, 6, 7), 2 * 3 * 4 * 5 * 4 * 6 * 27),
        (nn.Linear(4, 5), (4,), 4 * 5),
        (nn.Linear(4, 5), (2, 4), 2 * 4 * 5),
        (nn.Linear(4, 5, bias=False), (2, 3, 4), 2 * 3 * 4 * 5),
        (Wrapped(lambda _, x: x @ x.mT), (2, 3, 4), 2 * 3 * 4 * 3),
        (Wrapped(lambda _, x: torch.bmm(x, x.mT)), (2, 3, 4), 2 * 3 * 4 * 3),
        (Wrapped(lambda _, x: torch.baddbmm(x @ x.mT, x, x.mT)), (2, 3, 4), 2 * (2 * 3 * 4 * 3)),
        (Wrapped(lambda _, x: torch.einsum("bij,bkj->bik", x, x)), (2, 3, 4), 2 * 3 * 4 * 3),
    ],
)  # fmt: skip
def test_multiply_accumulates_are_those_of_the_formula(
    module: nn.Module, shape: tuple[int, ...], macs: int
) -> None:
    totals = total_flops(on_meta(module, shape))
    assert (totals["macs"], totals["torch"]) == (macs, 2 * macs)


def test_an_operator_without_a_price_is_listed_as_the_model_called_it() -> None:
    trace = on_meta(Wrapped(lambda _, x: x.cumsum(-1).softmax(-1).relu_()), (2, 3, 4))
    assert total_flops(trace)["fvcore"] == 0
    missed = {
        name: call.calls for call in uncounted(trace, CONVENTIONS["fvcore"]) for name in [call.op]
    }
    assert missed == {"cumsum": 1, "softmax": 1, "relu": 1}
    product = on_meta(Wrapped(lambda _, x: torch.einsum("bij,bkj->bik", x, x)), (2, 3, 4))
    assert uncounted(product, CONVENTIONS["macs"]) == []


def test_a_composite_is_the_parent_of_the_kernels_it_is_made_of() -> None:
    trace = on_meta(nn.Linear(4, 5), (2, 3, 4))
    whole, *parts = trace.ops
    assert (whole.name, whole.composite, whole.parent) == ("linear", True, None)
    assert "addmm" in {op.name for op in parts}
    assert all(op.parent == 0 and not op.composite for op in parts)
    assert trace.shape(whole.outputs[0]) == (2, 3, 5)


def test_a_view_and_a_write_in_place_keep_their_storage() -> None:
    trace = on_meta(Wrapped(lambda _, x: x.clone().relu_().flatten(1)), X)
    storages = {op.name: trace.tensors[op.outputs[0]].storage for op in trace.ops}
    assert (
        storages["clone"]
        == storages["relu_"]
        == storages["view"]
        != trace.tensors[trace.inputs[0]].storage
    )
    assert (
        next(op for op in trace.ops if op.name == "relu_").inputs
        == next(op for op in trace.ops if op.name == "relu_").outputs
    )
    assert len(trace.storages) == 2


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_tensor_given_as_out_counts_with_the_size_to_which_it_was_resized(device: str) -> None:
    model = Wrapped(lambda _, x: torch.add(x, 1, out=x.new_empty(0)))
    trace = record(model, torch.zeros(X, device=device))
    size = 4 * 2 * 4 * 6 * 8  # bytes of float32 · N · C · H · W
    assert trace.storages == (size, size)
    assert trace.tensors[trace.outputs[0]].shape == X


def test_building_on_meta_still_fills_a_tensor_with_data() -> None:
    with building_on_meta():
        bare, real = torch.ones(2), torch.ones(2, device="cpu")
        assert bare.zero_() is bare
        assert real.zero_().tolist() == [0, 0]


# Outputs and inputs of any form


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: {"out": x + 1, "aux": [x * 2]},
        lambda x: (x + 1, (x * 2, None, "text")),
        lambda x: [x + 1, {"deep": (x * 2,)}],
    ],
)
def test_outputs_are_found_in_dicts_tuples_and_lists(answer: Callable[[Tensor], Any]) -> None:
    trace = on_meta(Wrapped(lambda _, x: answer(x)), X)
    assert [trace.tensors[index].shape for index in trace.outputs] == [X, X]
    assert trace.outputs == tuple(op.outputs[0] for op in trace.ops) == trace.modules[0].outputs


def test_a_module_may_take_several_inputs() -> None:
    trace = on_meta(Wrapped(lambda _, x, y: x + y), X, (1, 4, 1, 1))
    assert [trace.tensors[index].shape for index in trace.inputs] == [X, (1, 4, 1, 1)]


def test_taps_are_kept_by_name() -> None:
    trace = record(nn.Sequential(nn.ReLU()), torch.zeros(1), taps={"first": "0"})
    assert [(tap.name, tap.module) for tap in trace.taps] == [("first", "0")]


# Nothing is left behind


class Fragile(nn.Module):
    """Everything that recording could disturb, and a forward that raises half way on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.BatchNorm2d(4)
        self.broken = nn.ReLU()
        self.raises: type[BaseException] | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.norm(self.conv(x)))
        if self.raises is not None:
            raise self.raises("half way")
        out: Tensor = self.frozen(x)
        return out


GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_forward_hooks_always_called",
    "_global_backward_hooks",
)


def state(model: nn.Module) -> dict[str, Any]:
    """All that has to be as it was."""
    return {
        "flags": {path: module.training for path, module in model.named_modules()},
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        "global hooks": [len(getattr(hooks_of_torch, name)) for name in GLOBAL_HOOKS],
        "keys": list(model.state_dict()),
        "values": [value.tolist() for value in model.state_dict().values() if not value.is_meta],
        "identities": [id(p) for p in (*model.parameters(), *model.buffers())],
        "trainable": [p.requires_grad for p in model.parameters()],
        "gradients": [p.grad for p in model.parameters()],
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "random": torch.get_rng_state().tolist(),
        "modes": torch._C._len_torch_dispatch_stack(),
        "autograd": torch._C._dispatch_tls_is_dispatch_key_excluded(
            torch._C.DispatchKey.AutogradCPU
        ),
    }


@pytest.fixture(params=["cpu", "meta"])
def fragile(request: pytest.FixtureRequest) -> Iterator[Fragile]:
    model = Fragile().to(request.param)
    model.frozen.eval()
    model.norm.weight.requires_grad = False
    yield model
    assert not torch._C._len_torch_dispatch_stack()


def run(model: nn.Module) -> Trace:
    return record(model, torch.zeros(X, device=next(model.parameters()).device))


def test_mixed_flags_buffers_hooks_and_modes_are_afterwards_as_they_were(fragile: Fragile) -> None:
    before = state(fragile)
    run(fragile)
    assert state(fragile) == before
    assert before["flags"] == {
        "": True,
        "conv": True,
        "norm": True,
        "dropout": True,
        "frozen": False,
        "broken": True,
    }


@pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyboardInterrupt, SystemExit])
def test_they_are_as_they_were_even_if_forward_raises(
    fragile: Fragile, error: type[BaseException]
) -> None:
    before = state(fragile)
    fragile.raises = error
    with pytest.raises(error, match="half way"):
        run(fragile)
    assert state(fragile) == before
    fragile.raises = None
    assert len(run(fragile).outputs) == 1


def test_the_model_still_learns_afterwards() -> None:
    model = Fragile()
    run(model)
    model(torch.randn(X)).sum().backward()
    assert model.conv.weight.grad is not None
    assert model.norm.num_batches_tracked == torch.tensor(1)


def test_a_default_device_and_an_inference_mode_around_it_do_not_matter(fragile: Fragile) -> None:
    plain = run(fragile)
    with torch.inference_mode():
        assert run(fragile) == plain
    with torch.device("meta"):
        assert run(fragile) == plain


def test_recording_twice_gives_one_answer(fragile: Fragile) -> None:
    assert run(fragile) == run(fragile)


def test_the_hooks_of_the_model_itself_run_and_stay() -> None:
    seen: list[str] = []
    model = nn.Sequential(nn.ReLU())
    model[0].register_forward_hook(lambda *_: seen.append("after"))
    model[0].register_forward_pre_hook(lambda *_: seen.append("before"))
    record(model, torch.zeros(1))
    assert seen == ["before", "after"]
    assert len(model[0]._forward_hooks) == len(model[0]._forward_pre_hooks) == 1


def test_batch_norm_on_one_value_runs_because_measuring_is_in_eval() -> None:
    norm = nn.BatchNorm2d(4)
    with pytest.raises(ValueError, match="more than 1 value"):
        norm(torch.zeros(1, 4, 1, 1))
    assert record(norm, torch.zeros(1, 4, 1, 1)).outputs
    assert norm.training


# Meta and real tensors

MODULES = (
    (nn.Conv2d(4, 6, 3, padding="same"), X),
    (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), X),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1), X),
    (nn.Linear(8, 5), X),
    (nn.LayerNorm(8), X),
    (nn.GroupNorm(2, 4), X),
    (nn.InstanceNorm2d(4, affine=True), X),
    (nn.BatchNorm2d(4, affine=False), X),
    (nn.BatchNorm2d(4, track_running_stats=False), X),
    (nn.AdaptiveAvgPool2d((2, 3)), X),
    (nn.AdaptiveAvgPool2d(1), X),
    (nn.AvgPool2d(2), X),
    (nn.MaxPool2d(2), X),
    (nn.Upsample(scale_factor=1.5, mode="bilinear"), X),
    (nn.Upsample(scale_factor=2, mode="bicubic"), X),
    (nn.PixelShuffle(2), X),
    (nn.Hardswish(), X),
    (nn.GELU(), X),
    (nn.Softmax(1), X),
    (Wrapped(lambda _, x: torch.einsum("nchw,ncvw->nhv", x, x)), X),
    (Wrapped(lambda _, x: x.permute(0, 2, 3, 1).reshape(2, -1) * x.mean()), X),
)


@pytest.mark.parametrize(
    ("module", "shape"), MODULES, ids=[str(module)[:40] for module, _ in MODULES]
)
def test_a_trace_without_data_is_the_trace_with_data(
    module: nn.Module, shape: tuple[int, ...]
) -> None:
    real = record(module.to_empty(device="cpu"), torch.zeros(shape))
    assert real.device == "cpu"
    assert on_meta(module, shape) == replace(real, device="meta")


def test_a_larger_input_takes_no_more_memory_without_data() -> None:
    model = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(50))).to("meta")

    def peak(side: int) -> int:
        tracemalloc.start()
        on_meta(model, (1, 4, side, side))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    on_meta(model, X)
    assert peak(16_384) == pytest.approx(peak(224), rel=0.05)


def test_other_element_types_are_kept() -> None:
    trace = record(nn.Conv2d(4, 2, 1, dtype=torch.bfloat16), torch.zeros(X, dtype=torch.bfloat16))
    assert {tensor.dtype for tensor in trace.tensors} == {"bfloat16"}
    assert total_params(trace)["bytes"] == 2 * (4 * 2 + 2)


class InThreads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        with ThreadPoolExecutor() as pool:
            outputs: list[Tensor] = list(pool.map(lambda layer: layer(x), (self.one, self.other)))
        return outputs[0] + outputs[1]


def test_a_layer_that_runs_in_another_thread_is_refused_and_not_counted_as_nothing() -> None:
    with pytest.raises(
        RuntimeError, match="computes where no operator is seen, as in another thread"
    ):
        record(InThreads(), torch.zeros(2, 3))
