"""Calls are timed as they are made, on the CPU and, as far as a stand-in goes, on a GPU."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import pytest
import torch
from torch import nn

from ucseg_cli.engine.forward_arguments import Arguments
from ucseg_cli.engine.timing import timing_devices
from ucseg_cli.engine.timing.answer_blocks import answers_to
from ucseg_cli.engine.timing.module_clock import time_modules
from ucseg_cli.engine.timing.runtimes import (
    COARSE_TOLERANCE,
    TOLERANCE,
    call_of,
    eager_call,
    largest_difference,
    placed,
    refuse_difference,
    without_gradients,
)
from ucseg_cli.engine.timing.timed_model import timed_model
from ucseg_cli.engine.timing.timing_devices import Cpu, Gpu, find_device
from ucseg_cli.errors import ModelError, ResourceError
from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.facts.timing.timing_question import (
    TimingQuestion,
    decode_timing_question,
    encode_timing_question,
)
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.references import Argument, FromFile, FromLibrary, FromModule
from ucseg_cli.references.variants import CATALOGUE, as_variant
from ucseg_cli.system.checkout import Checkout

SMALL = Conditions(Size(32, 32))
V2 = TimingQuestion(CATALOGUE["v2"], SMALL, TimingSetup())


@pytest.mark.parametrize(
    "question",
    [
        V2,
        V2._replace(model=as_variant("v2+backbone=10+rates=6,12+dropout=0.3")),
        V2._replace(model=FromLibrary("torchvision", "resnet18", (Argument("num_classes", "5"),))),
        V2._replace(setup=TimingSetup("cuda", 3, "compile", "float16", graph=True)),
        TimingQuestion(FromFile("net.py", "Net", (Argument("a", "1"),)), SMALL, TimingSetup()),
        TimingQuestion(
            FromModule("net", "Net", (), "main"),
            Conditions(given=Tensors((Input((1, 16), "int64", "ids"),))),
            TimingSetup(),
            Checkout("there", "here", "main", "left"),
        ),
    ],
)
def test_a_question_is_read_as_it_was_asked(question: TimingQuestion) -> None:
    text = encode_timing_question(question)
    assert "\n" not in text  # it is one line
    assert decode_timing_question(text) == question


def test_each_command_has_its_answer() -> None:
    commands = ['["first", 1]', '["calls", 3]', '["modules", 2]']
    ready, first, calls, modules = answers_to(V2, commands)
    assert ready == {"device": None}
    assert [len(first["calls"]), first["difference"]] == [1, None]
    assert len(calls["calls"]) == 3
    assert all(type(call) is int and call > 0 for call in calls["calls"])
    assert 0 < calls["received"] <= 2 * sum(calls["calls"])
    assert {"", "features.0.0", "aspp"} <= modules["modules"].keys()
    json.dumps([ready, first, calls, modules])


def test_weights_and_input_are_the_same_in_every_process_and_nothing_is_recorded() -> None:
    outputs = []
    for _ in range(2):
        with timed_model(V2, V2.model) as timed:
            assert not timed.module.training
            outputs.append(timed.call())
    assert torch.equal(*outputs)
    assert not outputs[0].requires_grad


def test_the_dtype_is_that_of_weights_and_floating_inputs_alone() -> None:
    model = nn.Linear(2, 2)
    arguments = Arguments((torch.ones(1, 2),), {"ids": torch.ones(3, dtype=torch.int64)})
    module, moved = placed(model, arguments, TimingSetup(dtype="bfloat16"))
    assert module.weight.dtype is torch.bfloat16
    assert [tensor.dtype for tensor in moved.tensors] == [torch.bfloat16, torch.int64]
    module, moved = placed(nn.Linear(2, 2), arguments, TimingSetup())
    assert module.weight.dtype is torch.float32


def test_python_looks_for_garbage_between_blocks_and_not_in_them() -> None:
    seen: list[bool] = []
    Cpu(is_alone=True).run_block(lambda: seen.append(gc.isenabled()), 2)
    Gpu(FakeCuda()).run_block(lambda: seen.append(gc.isenabled()), 2)
    assert (seen, gc.isenabled()) == ([False] * 4, True)


def test_processor_time_is_only_known_of_one_thread() -> None:
    assert Cpu(is_alone=True).run_block(lambda: sum(range(1000)), 2).received is not None
    assert Cpu(is_alone=False).run_block(lambda: None, 2).received is None
    assert find_device(TimingSetup(threads=2)).run_block(lambda: None, 1).received is None


# A stand-in for a GPU


class FakeCuda:
    """Notes what is asked of it; its clock goes on by a millisecond with each kernel."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.clock = 0.0
        cuda = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing
                self.at = -1.0

            def record(self) -> None:
                self.at = cuda.clock

            def synchronize(self) -> None:
                cuda.log.append("event is done")

            def elapsed_time(self, end: Event) -> float:
                assert cuda.log[-1] == "event is done"
                return end.at - self.at

        class CUDAGraph:
            def replay(self) -> None:
                cuda.launch("graph")

        class Stream:
            def wait_stream(self, _: object) -> None:
                cuda.log.append("streams wait")

        self.Event, self.CUDAGraph, self.Stream = Event, CUDAGraph, Stream
        self.current_stream = Stream

    def get_device_name(self) -> str:
        return "Fake GPU"

    def synchronize(self) -> None:
        self.log.append("synchronize")

    def launch(self, kernel: str) -> None:
        self.log.append(kernel)
        self.clock += 1.5

    @contextmanager
    def stream(self, _: object) -> Iterator[None]:
        yield

    @contextmanager
    def graph(self, _: object) -> Iterator[None]:
        self.log.append("capture")
        yield
        self.log.append("captured")


def test_a_gpu_s_calls_are_timed_by_its_events_and_each_is_done_before_the_next() -> None:
    cuda = FakeCuda()
    gpu = Gpu(cuda)
    assert gpu.name == "Fake GPU"
    assert gpu.run_block(lambda: cuda.launch("kernel"), 2) == Block([1_500_000, 1_500_000])
    assert cuda.log == ["synchronize", *["kernel", "event is done"] * 2]


def test_the_host_s_clock_is_read_once_a_gpu_is_done() -> None:
    cuda = FakeCuda()
    assert Gpu(cuda).now() > 0
    assert cuda.log == ["synchronize"]


def test_a_graph_is_captured_after_a_warm_up_on_another_stream_and_then_replayed() -> None:
    cuda = FakeCuda()

    def call() -> str:
        cuda.launch("kernel")
        return "output"

    replay = Gpu(cuda).graph_of(call)
    assert cuda.log == [
        "streams wait", *["kernel"] * 3, "streams wait", "capture", "kernel", "captured"
    ]  # fmt: skip
    assert replay() == "output"
    assert cuda.log[-1] == "graph"


def test_a_graph_is_made_only_where_it_was_asked_for() -> None:
    cuda = FakeCuda()
    module, arguments = nn.Identity(), Arguments((torch.ones(1),))
    call_of(module, arguments, TimingSetup("cuda"), Gpu(cuda))()
    assert "capture" not in cuda.log
    call_of(module, arguments, TimingSetup("cuda", graph=True), Gpu(cuda))()
    assert cuda.log[-1] == "graph"


def test_a_device_that_is_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(timing_devices, "Gpu", lambda: "a gpu")
    assert str(find_device(TimingSetup("cuda"))) == "a gpu"


# Modules


class Nested(nn.Module):
    """Has a container that is iterated, a part that runs twice, and work of its own."""

    def __init__(self, tick: Any) -> None:
        super().__init__()
        self.tick = tick
        self.parts = nn.ModuleList([Leaf(tick, 2), Leaf(tick, 3)])
        self.twice = Leaf(tick, 5)

    def forward(self, x: Any) -> Any:
        self.tick(7)
        for part in self.parts:
            x = part(x)
        return self.twice(self.twice(x))


class Leaf(nn.Module):
    def __init__(self, tick: Any, steps: int) -> None:
        super().__init__()
        self.tick, self.steps = tick, steps

    def forward(self, x: Any) -> Any:
        self.tick(self.steps)
        return x


def test_a_module_s_own_time_is_without_that_of_modules_it_calls() -> None:
    clock = [0]

    def tick(steps: int) -> None:
        clock[0] += steps

    model = Nested(tick)
    call = eager_call(model, Arguments((torch.ones(1),)))
    times = time_modules(model, call, lambda: clock[0], passes=3)
    assert times == {"": 7, "parts.0": 2, "parts.1": 3, "twice": 10}
    assert sum(times.values()) * 3 == clock[0]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_time_of_a_module_is_the_median_of_its_passes() -> None:
    steps = iter([1, 100, 3])
    clock = [0]

    def tick(_: int) -> None:
        clock[0] += next(steps)

    model = Leaf(tick, 0)
    call = eager_call(model, Arguments((1,)))
    assert time_modules(model, call, lambda: clock[0], passes=3) == {"": 3}


# Other runtimes


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        (torch.tensor([1.0, -4.0]), torch.tensor([1.0, -4.0]), 0.0),
        (torch.tensor([1.0, -4.0]), torch.tensor([1.5, -4.0]), 0.125),
        ([torch.ones(1), torch.ones(2)], [torch.ones(1), torch.tensor([1.0, 0.75])], 0.25),
        ({"a": torch.ones(1)}, [torch.ones(1)], 0.0),
        (torch.ones(2), torch.ones(3), inf),
        (torch.ones(2), [torch.ones(2), torch.ones(2)], inf),
        (torch.tensor([inf, 2.0]), torch.tensor([inf, 1.0]), 0.5),
        (torch.tensor([1.0]), torch.tensor([float("nan")]), inf),
        (torch.zeros(2), torch.full((2,), 0.5), 0.5),
        # where nothing is finite, nothing was compared
        (torch.tensor([inf]), torch.tensor([inf]), None),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), None),
        ((), (), None),
    ],
)
def test_outputs_differ_by_a_share_of_their_largest_number(
    expected: Any, found: Any, difference: float | None
) -> None:
    assert largest_difference(expected, found) == pytest.approx(difference)


@pytest.mark.parametrize(
    ("dtype", "most"), [(None, TOLERANCE), ("float64", TOLERANCE), ("float16", COARSE_TOLERANCE)]
)
def test_a_runtime_with_other_outputs_is_refused(dtype: str | None, most: float) -> None:
    setup = TimingSetup(runtime="compile", dtype=dtype)
    refuse_difference(most, "Net", "net.py:Net", setup)
    refuse_difference(None, "Net", "net.py:Net", setup)
    with pytest.raises(ModelError, match="other outputs with compile than in eager mode"):
        refuse_difference(most * 1.001, "Net", "net.py:Net", setup)
    with pytest.raises(ModelError, match="they differ in shape"):
        refuse_difference(inf, "Net", "net.py:Net", setup)


def test_torch_s_compiler_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module: nn.Sequential(module, nn.Flatten()))
    setup = TimingSetup(runtime="compile")
    call = call_of(nn.Identity(), Arguments((torch.ones(1, 2, 2),)), setup, Cpu(is_alone=True))
    assert call().shape == (1, 4)
    with without_gradients(setup):
        assert not torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    with without_gradients(TimingSetup()):
        assert torch.is_inference_mode_enabled()


def test_a_compiled_model_with_other_outputs_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "compile", lambda module: nn.Sequential(module, nn.Flatten()))
    asked = V2._replace(setup=TimingSetup(runtime="compile"))
    *_, last = answers_to(asked, ['["first", 1]'])
    assert "gives other outputs with compile" in last["error"]["what"]


def test_a_library_that_lacks_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (answer,) = answers_to(V2._replace(setup=TimingSetup(runtime="onnxruntime")), [])
    assert answer["error"]["kind"] == ResourceError.kind
    assert answer["error"]["what"].startswith("onnxruntime cannot be imported")
    assert "'.[runtime]'" in answer["error"]["help"]


def test_onnxruntime_gives_the_outputs_of_eager_mode() -> None:
    for name in ("onnxruntime", "onnx", "onnxscript"):
        pytest.importorskip(name)
    asked = V2._replace(setup=TimingSetup(runtime="onnxruntime"))
    ready, first, calls = answers_to(asked, ['["first", 1]', '["calls", 2]'])
    assert ready == {"device": None}
    assert 0 < first["difference"] < TOLERANCE
    assert len(calls["calls"]) == 2
