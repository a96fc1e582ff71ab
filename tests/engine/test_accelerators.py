"""A model that asks for an accelerator runs where there is none, and nothing of that stays."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from support.fixture_types import Run
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.trace_model import trace_source
from ucseg_cli.engine.user_code import accelerators
from ucseg_cli.engine.user_code.accelerators import accelerators_elsewhere, accelerators_on_meta
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import FromFile

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason="a machine without an accelerator is meant"
)

NET = """
from pathlib import Path
import torch
from torch import nn

WEIGHTS = Path(__file__).with_name("weights.pt")
{before}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)
        self.made = {made}
    def forward(self, x):
        return {ran}
    def timed(self, x):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        y = self.c(x)
        end.record()
        torch.cuda.synchronize()
        assert start.elapsed_time(end) > 0 and end.query()
        return y
    def beside(self, x):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.device(0), torch.cuda.stream(stream):
            y = self.c(x)
        y.record_stream(stream)
        stream.record_event().wait()
        return y
    def annotated(self, x):
        with torch.cuda.nvtx.range("c"), torch.random.fork_rng(devices=[0]):
            return self.c(x)
    def cast(self, x):
        with torch.amp.autocast("cuda"), torch.cuda.amp.autocast(), torch.autocast("mps"):
            return self.c(x)
    def within(self, x):
        with torch.device("cuda"):
            return self.c(x) + torch.zeros(8, 1, 1)
    def checked(self, x):
        assert x.is_cuda and x.device == torch.device("cuda:0") and x.device.type == "cuda"
        assert self.c.weight.is_cuda and x.get_device() == 0 and not x.is_cpu and not x.is_mps
        assert x.type() == "torch.cuda.FloatTensor" and isinstance(x, torch.cuda.FloatTensor)
        return self.c(x)
    def unasked(self, x):
        assert not x.is_cuda and x.device.type != "cuda" and x.get_device() == -1
        return self.c(x)
"""

NOTHING, CONV = "None", "self.c(x)"

LOADED = {
    "by a name": "map_location='cuda'",
    "by a device": "map_location=torch.device('cuda', 1)",
    "by a function": "map_location=lambda storage, _: storage.cuda()",
    "by a function that names one": "map_location=lambda storage, _: storage.cuda(1)",
    "by a mapping": "map_location={'cpu': 'cuda:0'}",
    "by another name": "map_location='mps'",
}
ON_META = {
    **{f"loaded {way}": (f"torch.load(WEIGHTS, {there})", CONV) for way, there in LOADED.items()},
    "loaded into the model": (
        "self.c.load_state_dict(torch.load(WEIGHTS, map_location='cuda'))",
        CONV,
    ),
    "managed": (
        "[torch.cuda.set_device(1), torch.cuda.init(), torch.cuda.manual_seed_all(0)]",
        "(torch.cuda.empty_cache(), torch.cuda.reset_peak_memory_stats(), self.c(x))[-1]",
    ),
    "waited for": (
        "torch.mps.synchronize()",
        "(torch.mps.empty_cache(), torch.cuda.ipc_collect(), self.c(x))[-1]",
    ),
    "waited for, whichever it is": (
        "[torch.accelerator.synchronize(), torch.xpu.synchronize()]",
        "(torch.accelerator.set_device_index(0), torch.cuda.synchronize(0), self.c(x))[-1]",
    ),
    "the current one": (
        "torch.zeros(1, device=torch.cuda.current_device())",
        "self.c(x.to(torch.cuda.current_device()))",
    ),
    "its memory, of which nothing is used": (NOTHING, "self.c(x)[torch.cuda.memory_allocated():]"),
    "its peak": (NOTHING, "self.c(x)[torch.cuda.max_memory_allocated():]"),
    "events": (NOTHING, "self.timed(x)"),
    "streams": ("torch.cuda.default_stream()", "self.beside(x)"),
    "marks, and its random state": (NOTHING, "self.annotated(x)"),
    "autocast": (NOTHING, "self.cast(x)"),
    "a generator": (
        "torch.randn(3, generator=torch.Generator(device='cuda').manual_seed(0), device='cuda')",
        "self.c(x) + torch.rand(8, 1, 1, generator=torch.Generator('cuda:0'), device='cuda')",
    ),
    "a generator, among types": ("torch.Generator | None", CONV),
    "a type": (NOTHING, "self.c(x.type(torch.cuda.FloatTensor))"),
    "a type by name": (NOTHING, "self.c(x) + torch.zeros(8, 1, 1).type('torch.cuda.FloatTensor')"),
    "a type that makes": (
        "torch.cuda.LongTensor([3])",
        "self.c(x) + torch.cuda.FloatTensor(8, 1, 1)",
    ),
    "a type by default": (
        "torch.set_default_tensor_type(torch.cuda.FloatTensor)",
        "self.c(x) + torch.zeros(8, 1, 1)",
    ),
    "a number": ("nn.Linear(1, 1).to(0)", "self.c(x.to(0)) + torch.zeros(8, 1, 1, device=0)"),
    "a number as a device": (NOTHING, "self.c(x.to(torch.device(0)))"),
    "a number that a tensor gives": ("nn.Linear(1, 1).cuda()", "self.c(x.to(x.get_device()))"),
    "pinned": ("torch.zeros(3, pin_memory=True)", "self.c(x.pin_memory().cuda(non_blocking=True))"),
    "checked after the constructor asked": ("nn.Linear(1, 1).cuda()", "self.checked(x)"),
    "checked after forward asked": (NOTHING, "self.checked(x.to('cuda'))"),
    "checked, and never asked for": (NOTHING, "self.unasked(x)"),
    "the default in the constructor": (
        "torch.set_default_device('cuda')",
        "self.c(x) + torch.zeros(8, 1, 1)",
    ),
    "the default in forward": (
        NOTHING,
        "(torch.set_default_device('cuda'), self.c(x) + torch.zeros(8, 1, 1))[1]",
    ),
    "the default for a while": (NOTHING, "self.within(x)"),
    "values that the constructor reads": (
        "torch.ones(1, device='cuda').item()",
        "self.c(x.cuda())",
    ),
}
"""How the constructor and forward ask for a device."""


def trace_of(folder: Path, made: str, ran: str, before: str = "") -> Trace:
    """The trace of a model that asks for a device, at 32 pixels."""
    (folder / "net.py").write_text(NET.format(made=made, ran=ran, before=before))
    torch.save(torch.nn.Conv2d(3, 8, 3).state_dict(), folder / "weights.pt")
    return trace_source(FromFile(str(folder / "net.py"), "Net"), Conditions(Size(32, 32)))


def is_counted(trace: Trace) -> bool:
    """Whether the conv is all that it has, and ran."""
    return total_flops(trace)["macs"] == 3 * 8 * 9 * 30 * 30


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ON_META)
def test_a_device_that_is_asked_for_need_not_be_there(tmp_path: Path, case: str) -> None:
    trace = trace_of(tmp_path, *ON_META[case])
    assert (trace.failure, trace.device) == (None, "meta")
    assert is_counted(trace)


@pytest.mark.parametrize(
    "ran",
    [
        "self.c(x) * torch.ones(1, device='cuda').item()",
        "self.c(x.cuda()) * float(x.cuda().mean())",
        "torch.from_numpy(self.c(x.to('mps')).cpu().numpy())",
        "self.c(x) * torch.load(WEIGHTS, map_location='cuda')['bias'].sum().item()",
    ],
)
def test_a_pass_that_needs_values_there_has_them_on_the_cpu(tmp_path: Path, ran: str) -> None:
    trace = trace_of(tmp_path, "nn.Linear(1, 1).cuda()", ran)
    assert (trace.failure, trace.device) == (None, "cpu")
    assert is_counted(trace)


def test_a_file_may_ask_while_it_is_imported(tmp_path: Path) -> None:
    before = "torch.cuda.set_device(0)\nMEAN = torch.tensor([1.0], device='cuda').cuda()"
    trace = trace_of(tmp_path, NOTHING, "self.c(x - MEAN.to(x.device))", before)
    assert (trace.failure, trace.device) == (None, "meta")


QUESTIONS = {
    "torch.cuda.get_device_name()": "torch.cuda.get_device_name()",
    "torch.cuda.get_device_capability(0)": "torch.cuda.get_device_capability()",
    "torch.cuda.get_device_properties(0)": "torch.cuda.get_device_properties()",
    "torch.cuda.mem_get_info()": "torch.cuda.mem_get_info()",
    "torch.cuda.memory_summary()": "torch.cuda.memory_summary()",
    "torch.cuda.CUDAGraph()": "torch.cuda.CUDAGraph()",
    "torch.xpu.get_device_name()": "torch.xpu.get_device_name()",
    "torch.mps.driver_allocated_memory()": "torch.mps.driver_allocated_memory()",
}
"""Questions that only a device answers, and how a message names them."""


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_that_only_a_device_answers_is_refused_at_its_line(
    tmp_path: Path, question: str
) -> None:
    asked = QUESTIONS[question]
    module = ".".join(asked.split(".")[:2])
    what = f"{asked} needs a device, and there is none; let the code ask only if {module}"
    with pytest.raises(ModelError) as caught:
        trace_of(tmp_path, question, CONV)
    assert caught.value.what == f"Net cannot be built: {what}.is_available()"
    assert caught.value.where == f"{tmp_path}/net.py:13"
    failure = trace_of(tmp_path, NOTHING, f"({question}, self.c(x))[1]").failure
    assert (failure or "").startswith(f"{what}.is_available() ({tmp_path}/net.py:15)")


def test_a_question_behind_the_advised_condition_is_not_asked(tmp_path: Path) -> None:
    ran = "self.c(x) * (torch.cuda.get_device_capability()[0] if torch.cuda.is_available() else 1)"
    assert trace_of(tmp_path, NOTHING, ran).failure is None


def test_the_first_failure_is_reported_and_not_what_a_run_with_data_meets(tmp_path: Path) -> None:
    made = "exec('if not self.c.weight.is_meta: raise MemoryError') or torch.cuda.mem_get_info()"
    with pytest.raises(ModelError, match=r"torch\.cuda\.mem_get_info\(\) needs a device"):
        trace_of(tmp_path, made, CONV)
    ran = "[x.is_meta or 1 / 0, torch.cuda.mem_get_info()]"
    assert "mem_get_info() needs a device" in (trace_of(tmp_path, NOTHING, ran).failure or "")


def _names() -> dict[tuple[str, str], Any]:
    places: list[Any] = [torch, torch.jit, torch.serialization, torch.Tensor, torch.TypedStorage]
    places += [torch.storage._StorageBase, torch.utils._device.DeviceContext]
    places += accelerators._modules()
    return {
        (place.__name__, name): value
        for place in places
        for name, value in vars(place).items()
        if not isinstance(value, ModuleType)  # torch imports some when they are first used
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ran", [CONV, "1 / 0"])
def test_everything_is_as_it_was_afterwards(tmp_path: Path, ran: str) -> None:
    before = _names()
    made = "torch.set_default_tensor_type('torch.cuda.HalfTensor')"
    trace_of(tmp_path, made, ran)
    after = _names()
    changed = [name for name in before if before[name] is not after.get(name)]
    assert [name for name in changed if name != ("torch", "_GLOBAL_DEVICE_CONTEXT")] == []
    assert after.keys() - before.keys() == set()
    assert torch.get_default_device().type == "cpu"
    assert torch.get_default_dtype() is torch.float32
    assert torch._C._len_torch_function_stack() == 0


def test_the_stand_ins_are_there_only_while_they_are_needed() -> None:
    with accelerators_elsewhere():
        assert torch.ones(2, device="cuda").sum().item() == 2
        with accelerators_on_meta():
            assert torch.ones(2).cuda().is_meta
        assert torch.ones(2).cuda().sum().item() == 2
    with pytest.raises((AssertionError, RuntimeError)):
        torch.ones(2).cuda()


def test_the_compiler_of_torch_can_be_imported_meanwhile(tmp_path: Path) -> None:
    before = "import torch._dynamo.trace_rules as rules\nrules.get_torch_obj_rule_map()"
    assert trace_of(tmp_path, NOTHING, CONV, before).failure is None


def test_other_counters_run_such_a_model_too(ucseg_fork: Run, tmp_path: Path) -> None:
    trace = trace_of(tmp_path, "nn.Linear(1, 1).cuda()", "self.checked(x.cuda())")
    assert total_params(trace)["params"] == 224 + 2
    answer = ucseg_fork("verify", f"{tmp_path}/net.py:Net", "--size", "32")
    assert (answer.returncode, answer.stderr) == (0, "")
