"""Claims about other counters and about what changed, on small models that broke them once."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from support.fixture_types import Run
from ucseg_cli.analysis.counters.peers import reconcile
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.memory.peak_memory import fused_calls
from ucseg_cli.engine.counters import count_with_torch
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.trace import Trace

HEAD = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
UNREAD = {
    "an output that is dropped": ("aux = self.b(x); return self.a(x)", 1),
    "an output that is kept aside": ("self.kept = self.b(x); return self.a(x)", 1),
    "a number alone": ("return self.a(x) + float(self.b(x).sum())", 1),
    "both": ("return self.a(x) + self.b(x)", 0),
    "in place": ("y = self.a(x); y += self.b(x); return y", 0),
    "through a view": ("y = self.b(x); return self.a(x) + y[:, :1]", 0),
}


@pytest.mark.parametrize("forward", UNREAD, ids=UNREAD)
def test_fvcore_s_own_figure_is_named_where_it_leaves_something_out(
    ucseg: Run, tmp_path: Path, forward: str
) -> None:
    code, left_out = UNREAD[forward]
    (tmp_path / "net.py").write_text(
        f"{HEAD}class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)\n"
        f"    def forward(self, x): {code}\n"
    )
    one = 4 * 27 * 6 * 6
    answer = ucseg("flops", "net.py:Net", "-i", "1x3x8x8", "--exact")
    assert answer.returncode == 0, answer.stderr
    note = f"fvcore itself leaves out {one:,} FLOPs in b: no tensor leads from there"
    assert (note in " ".join(answer.stdout.split())) == bool(left_out)
    if forward != "a number alone":  # which fvcore cannot trace without data
        assert printed_by_fvcore(tmp_path) == (2 - left_out) * one


def printed_by_fvcore(folder: Path) -> int:
    scope: dict[str, object] = {}
    exec((folder / "net.py").read_text(), scope)
    net = scope["Net"]
    assert callable(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        counts = FlopCountAnalysis(net(), torch.rand(1, 3, 8, 8))
        counts = counts.unsupported_ops_warnings(enabled=False)
        return int(counts.uncalled_modules_warnings(enabled=False).total())


class Vectors(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c, self.v = nn.Conv2d(3, 4, 3), nn.Parameter(torch.ones(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.c(x)[0, 0] @ self.v
        return out


class OnlyVectors(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[0, 0] @ x[0, 0, 0]


@pytest.mark.parametrize("model", [Vectors(), OnlyVectors(), nn.Conv2d(3, 4, 3)])
def test_the_steps_to_torch_s_figure_end_at_what_it_prints(model: nn.Module) -> None:
    x = torch.rand(1, 3, 8, 8)
    trace = record(model.eval(), x)
    (figure,) = [peer for peer in reconcile(trace) if peer.peer.name == "torch"]
    steps = sum(step.amount for step in figure.steps)
    printed = count_with_torch(model, x).total
    assert total_flops(trace)["macs"] + steps == printed == total_flops(trace)["torch"]


class WeightFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.m @ x


def test_a_product_with_a_trained_weight_on_the_left_is_the_kernel_that_runs() -> None:
    model, x = WeightFirst(), torch.rand(1, 3, 8, 8)
    assert dict(count_with_torch(model, x).operators or {}) == {"mm": 2 * 8 * 8 * 24}


def attention(*shapes: tuple[int, ...], mask: torch.Tensor | None = None) -> Trace:
    class Attend(nn.Module):
        def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    return record(Attend(), *(torch.rand(shape) for shape in shapes))


@pytest.mark.parametrize(
    ("shapes", "mask", "is_one"),
    [
        ([(2, 4, 8, 16)] * 3, None, True),
        ([(2, 4, 8, 16)] * 3, torch.zeros(8, 8), True),
        ([(2, 4, 8, 16)] * 3, torch.zeros(2, 1, 8, 8), True),
        ([(2, 4, 8, 16)] * 3, torch.zeros(4, 8, 8), False),
        ([(2, 4, 8, 16), (1, 4, 8, 16), (1, 4, 8, 16)], None, False),
        ([(2, 4, 8, 16), (2, 1, 8, 16), (2, 1, 8, 16)], None, False),
    ],
)
def test_attention_is_one_kernel_only_where_torch_has_one(
    shapes: list[tuple[int, ...]], mask: torch.Tensor | None, *, is_one: bool
) -> None:
    assert bool(fused_calls(attention(*shapes, mask=mask))) == is_one


@pytest.mark.parametrize(
    ("forward", "changed", "setting"),
    [
        ("self.l(x) * self.t", "2.0", "other"),
        ("self.l(x) / self.t", "4.0", "other"),
        ("self.l(x) + self.t", "3", "other"),
        ("(self.l(x) ** self.t)", "3", "exponent"),
    ],
)
def test_a_number_beside_a_tensor_is_a_setting(
    ucseg: Run, tmp_path: Path, forward: str, changed: str, setting: str
) -> None:
    (tmp_path / "net.py").write_text(
        f"{HEAD}class Net(nn.Module):\n    def __init__(self, t=1.5):\n        super().__init__()\n"
        f"        self.l, self.t = nn.Linear(8, 4), t\n    def forward(self, x): return {forward}\n"
    )
    model = f"net.py:Net+t={changed}"
    answer = json.loads(ucseg("compare", "net.py:Net", model, "-i", "1x8", "-f", "json").stdout)
    assert not answer["models"][1]["same"]
    assert {one["setting"] for one in answer["settings"]} == {setting}
    assert "idle" not in answer["conditions"]
