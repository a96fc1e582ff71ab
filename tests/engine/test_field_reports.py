"""Small inputs that failed for users, each with its right value, and others of the same kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from support.fixture_types import Run
from ucseg_cli.analysis.counters.peers import reconcile
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.operations import total_flops, uncounted
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.analysis.rules.lint_checks import lint
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.engine.trace_model import trace_source
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.conditions import Conditions, parse_inputs
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import FromFile

HEAD = """import random
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
"""


def run(tmp_path: Path, code: str, inputs: str, name: str = "Net") -> Trace:
    """The trace of a model that *code* defines; its forward takes *inputs*."""
    (tmp_path / "net.py").write_text(HEAD + code, encoding="utf-8")
    given = Conditions(given=parse_inputs(inputs))
    return trace_source(FromFile(str(tmp_path / "net.py"), name), given)


DROPPING = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(8, 8) for _ in range(8)])
    def forward(self, x):
        for block in self.blocks:
            if {draw} < 0.5:
                x = block(x)
        return x
"""


@pytest.mark.parametrize(
    "draw",
    ["np.random.rand()", "np.random.randint(2)", "random.random()", "float(torch.rand(()))"],
)
def test_a_pass_that_draws_numbers_is_the_same_each_time(tmp_path: Path, draw: str) -> None:
    traces = [run(tmp_path, DROPPING.format(draw=draw), "1x8") for _ in range(3)]
    assert {trace.failure for trace in traces} == {None}
    assert len({total_flops(trace)["macs"] for trace in traces}) == 1


RETURNS = """
class Margin(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))
    def forward(self, z):
        return {returned}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(8, 4), Margin()
    def forward(self, x):
        return self.head(self.body(x))
"""


@pytest.mark.parametrize(
    "returned",
    [
        "F.linear(z, self.weight).mean()",
        "(z @ self.weight.t()).sum()",
        "F.linear(z, self.weight).max()",
    ],
)
def test_a_layer_with_weights_that_returns_a_scalar_is_not_reconciled(
    tmp_path: Path, returned: str
) -> None:
    trace = run(tmp_path, RETURNS.format(returned=returned), "2x8")
    obstacles = {other.obstacle for other in reconcile(trace) if other.peer.name == "torchinfo"}
    assert "it fails on the scalar that head returns" in obstacles


@pytest.mark.parametrize(
    "first",
    [
        "from torchvision.transforms.functional import normalize",
        "from torchvision.transforms import functional",
        "import torchvision.transforms.functional as f",
        "from torchvision.transforms.v2 import functional",
        "from torchvision.transforms import InterpolationMode",
        "import torchvision.transforms.transforms",
    ],
)
def test_any_part_of_torchvision_s_transforms_may_be_imported_first(
    tmp_path: Path, first: str
) -> None:
    code = f"{first}\nclass Net(nn.Conv2d):\n    def __init__(self): super().__init__(3, 4, 3)\n"
    assert total_params(run(tmp_path, code, "1x3x8x8"))["params"] == 112


def test_a_network_of_torchvision_may_be_looked_up_by_its_name(tmp_path: Path) -> None:
    code = """
from torchvision import models
names = [name for name in dir(models) if name.islower() and callable(vars(models)[name])]
def Net(): return models.__dict__[names[names.index("resnet18")]](weights=None)
"""
    assert total_params(run(tmp_path, code, "1x3x32x32"))["params"] == 11_689_512


def test_the_lines_after_the_first_say_what_is_wrong(tmp_path: Path) -> None:
    code = """
class Net(nn.Module):
    def __init__(self):
        raise ValueError("the configuration is wrong:\\n  - width\\n\\n  - depth")
"""
    with pytest.raises(ModelError) as caught:
        run(tmp_path, code, "1x8")
    assert caught.value.what == "Net cannot be built: ValueError: the configuration is wrong:"
    assert caught.value.notes == ("- width", "- depth")


@pytest.mark.parametrize("message", ["'x' * 10_000_000", "'x\\\\n' * 1_000_000"])
def test_a_message_of_megabytes_is_shown_up_to_a_bound(tmp_path: Path, message: str) -> None:
    code = f"class Net(nn.Module):\n    def __init__(self): raise ValueError({message})\n"
    with pytest.raises(ModelError) as caught:
        run(tmp_path, code.replace("\\\\", "\\"), "1x8")
    assert len(caught.value.what) < 500
    assert len(caught.value.notes) <= 13


@pytest.mark.parametrize("name", ["Été", "Сеть", "网络", "_n1"])
def test_a_class_may_have_any_name_that_python_has(tmp_path: Path, name: str) -> None:
    code = f"class {name}(nn.Conv2d):\n    def __init__(self): super().__init__(3, 4, 3)\n"
    assert total_params(run(tmp_path, code, "1x3x8x8", name))["params"] == 112


PRODUCTS = {
    "x @ self.v": 2 * 5 * 8,
    "self.v @ self.v + x.sum()": 8,
    "torch.mv(x[0], self.v)": 5 * 8,
    "torch.addmv(x[0, :, 0], x[0], self.v)": 5 * 8,
    "torch.dot(x[0, 0], self.v)": 8,
    "torch.vdot(x[0, 0], self.v)": 8,
    "torch.inner(x, self.v)": 2 * 5 * 8,
    "torch.addr(x[0].mT @ x[0], self.v, self.v)": 8 * 5 * 8 + 8 * 8,
    "torch.addbmm(x[0].mT @ x[0], x.mT, x)": 8 * 5 * 8 + 2 * 8 * 5 * 8,
    "torch.baddbmm(x @ self.m, x, self.m.expand(2, 8, 8))": 2 * (2 * 5 * 8 * 8),
    "torch.chain_matmul(x[0], self.m, self.v[:, None])": 8 * 8 + 5 * 8,
}


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.filterwarnings("ignore:torch.chain_matmul")
def test_every_product_counts_in_macs(tmp_path: Path, product: str) -> None:
    code = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.v, self.m = nn.Parameter(torch.randn(8)), nn.Parameter(torch.randn(8, 8))
    def forward(self, x):
        return {product}
"""
    trace = run(tmp_path, code, "2x5x8")
    assert trace.failure is None
    assert total_flops(trace)["macs"] == PRODUCTS[product]
    listed = {missed.op for missed in uncounted(trace, CONVENTIONS["macs"])}
    assert listed <= {"add", "sum"}


@pytest.mark.parametrize(
    ("code", "listed"),
    [
        ("F.scaled_dot_product_attention(x, x, x)", {"softmax", "safe_softmax", "mul"}),
        ("torch.cat([F.pad(x, (1, 1)), x.roll(1, -1)], -1).clone().flip(-1)", set()),
        ("x.masked_fill(x > 0, 0.0)", {"gt", "masked_fill"}),
        ("F.softmax(x @ x.mT, -1)", {"softmax"}),
    ],
)
def test_only_operators_that_compute_and_have_no_price_are_listed(
    tmp_path: Path, code: str, listed: set[str]
) -> None:
    net = f"class Net(nn.Module):\n    def forward(self, x):\n        return {code}\n"
    trace = run(tmp_path, net, "1x2x5x8")
    assert {missed.op for missed in uncounted(trace, CONVENTIONS["macs"])} <= listed


HIGHER = """
from torch._higher_order_ops.map import map as map_over
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn.attention.flex_attention import flex_attention
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.qkv = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 24)
    def attend(self, x):
        q, k, v = self.qkv(x[None, None]).chunk(3, -1)
        return flex_attention(q, k, v)
    def forward(self, x):
        return {call}
"""
HIGHER_MACS = {
    "torch.cond(x.sum() > 1e9, lambda x: self.a(x)[:, :4], lambda x: self.b(x), (x,))": 2 * 8 * 4,
    "torch.cond(x.sum() < 1e9, lambda x: self.a(x)[:, :4], lambda x: self.b(x), (x,))": 2 * 8 * 8,
    "while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, self.a(x)), (torch.tensor(0), x))": 384,
    "map_over(lambda v: self.a(v), x)": 2 * 8 * 8,
    "self.attend(x)": 2 * 8 * 24 + 2 * (2 * 2 * 8),
    "torch.utils.checkpoint.checkpoint(self.a, x, use_reentrant=False)": 2 * 8 * 8,
}


def macs_of(ucseg_fork: Run, tmp_path: Path, call: str) -> int:
    """The MACs of a model that only makes this call, as the command line gives them."""
    (tmp_path / "net.py").write_text(HEAD + HIGHER.format(call=call))
    answer = ucseg_fork("flops", f"{tmp_path}/net.py:Net", "-i", "2x8", "-f", "json")
    assert answer.returncode == 0, answer.stderr
    return int(json.loads(answer.stdout)["total"]["macs"])


@pytest.mark.parametrize("call", HIGHER_MACS)
def test_a_higher_order_operator_is_recorded_by_what_it_runs(
    ucseg_fork: Run, tmp_path: Path, call: str
) -> None:
    assert macs_of(ucseg_fork, tmp_path, call) == HIGHER_MACS[call]


@pytest.mark.filterwarnings("ignore")
def test_a_scan_is_recorded_as_often_as_torch_calls_its_function(
    ucseg_fork: Run, tmp_path: Path
) -> None:
    from torch._higher_order_ops.scan import scan

    steps: list[Tensor] = []

    def step(carry: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        steps.append(row)
        return carry + row, carry * row

    with torch.compiler.set_stance("force_eager"):
        scan(step, torch.zeros(8), torch.zeros(2, 8))
    call = "scan(lambda c, v: (c + self.a(v), c + v), torch.zeros(8), x)"
    assert len(steps) in {2, 2 + 2}  # torch 2.6 learns the shapes from two more
    assert macs_of(ucseg_fork, tmp_path, call) == len(steps) * 8 * 8


ON_A_DEVICE = {
    "a parameter made there": ("nn.Conv2d(3, 8, 3, device='cuda:0')", "self.c(x)"),
    "a module moved there": ("nn.Conv2d(3, 8, 3).cuda()", "self.c(x.cuda(non_blocking=True))"),
    "a module sent there": ("nn.Conv2d(3, 8, 3).to(torch.device('cuda'))", "self.c(x.to('cuda'))"),
    "another accelerator": ("nn.Conv2d(3, 8, 3).to('mps')", "self.c(x.to(device='xpu:1'))"),
    "a tensor made in forward": (
        "nn.Conv2d(3, 8, 3)",
        "self.c(x) + torch.zeros(8, 1, 1, device=torch.device('cuda', 0))",
    ),
    "a range made in forward": (
        "nn.Conv2d(3, 8, 3)",
        "self.c(x) * torch.arange(8, device='cuda')[:, None, None]",
    ),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine without an accelerator is meant")
@pytest.mark.parametrize("case", ON_A_DEVICE)
def test_a_device_that_is_not_there_is_not_needed(tmp_path: Path, case: str) -> None:
    made, ran = ON_A_DEVICE[case]
    code = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = {made}
    def forward(self, x):
        return {ran}
"""
    trace = run(tmp_path, code, "1x3x32x32")
    assert (trace.failure, trace.device) == (None, "meta")
    assert total_params(trace)["params"] == 224
    assert total_flops(trace)["macs"] == 3 * 8 * 9 * 30 * 30


READERS = {
    "self.a(up) + self.b(up)": 50_176 * 256 - 3_136 * 256 - 4 * 50_176 * 8,
    "self.a(up) + up[:, :8]": 50_176 * 256 - 3_136 * 256 - 4 * 50_176 * 8,
    "[self.a(up), up]": 50_176 * 256 - 3_136 * 256 - 4 * 50_176 * 8,
    "self.a(up)": 50_176 * 256 - 3_136 * 256 + 4 * 50_176 * (32 - 8),
}


@pytest.mark.parametrize("returned", READERS)
def test_an_upsampling_that_another_reader_needs_is_not_saved(
    tmp_path: Path, returned: str
) -> None:
    code = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 4, 1)
        self.a, self.b = nn.Conv2d(32, 8, 1), nn.Conv2d(32, 8, 3, padding=1)
    def forward(self, x):
        up = F.interpolate(self.stem(x), size=x.shape[2:], mode="bilinear")
        return {returned}
"""
    findings = lint(Subject("net", run(tmp_path, code, "1x3x224x224")))
    (late,) = [finding for finding in findings if finding.rule.code == "UC104"]
    assert late.evidence["saved"] == READERS[returned]


def test_a_pass_that_fails_says_how_far_it_came(tmp_path: Path) -> None:
    code = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 16, 3)
        self.f = nn.Linear(16 * 5 * 5, 10)
    def forward(self, x):
        return self.f(self.b(self.a(x)).flatten(1))
"""
    failure = run(tmp_path, code, "1x3x32x32").failure
    assert failure is not None
    assert failure.endswith("; the last modules that ran: a 1×8×15×15; b 1×16×13×13")


@pytest.mark.parametrize(
    ("write", "is_found"),
    [("", True), ("u[:, 0] += x[:, 0, :1, :1]", False), ("u.view(-1)[0] = 1", False)],
)
def test_a_map_that_is_written_to_after_its_upsampling_is_not_one_to_move_a_conv_before(
    tmp_path: Path, write: str, *, is_found: bool
) -> None:
    code = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 4, 1)
    def forward(self, x):
        u = F.interpolate(self.stem(x), scale_factor=2, mode="bilinear")
        {write}
        return self.head(u)
"""
    findings = lint(Subject("net", run(tmp_path, code, "1x3x56x56")))
    assert ("UC104" in {finding.rule.code for finding in findings}) == is_found
