"""``compare`` on networks that differ in what no cost shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run, Tables
from support.screens import verdict

pytestmark = pytest.mark.torch

NET = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(
        self, dilation=1, act="ReLU", pool="Max", drop=0.1, eps=1e-5, frozen=(), corners=False,
        extra=False, swap=False, early=False, turned=False, slope=0.01, clamp=6.0,
    ):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16, eps=eps), getattr(nn, act)()
        )
        self.body = nn.Conv2d(16, 16, 3, padding=dilation, dilation=dilation)
        self.left, self.right = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)
        self.pool = getattr(nn, pool + "Pool2d")(2)
        self.drop = nn.Dropout(drop)
        self.soft = nn.Softmax(1) if extra else nn.Identity()
        kernel = (1, 3) if not turned else (3, 1)
        self.head = nn.Conv2d(16, 21, kernel, bias=False)
        self.swap, self.early, self.slope, self.clamp = swap, early, slope, clamp
        self.corners = corners
        for name in frozen:
            self.get_submodule(name).requires_grad_(False)

    def forward(self, x):
        x = self.body(self.backbone(x))
        steps = (self.right, self.left) if self.swap else (self.left, self.right)
        y = steps[1](steps[0](x))
        y = y + (x if self.early else y)
        y = F.leaky_relu(y, self.slope).clamp(max=self.clamp)
        y = self.head(self.soft(self.drop(self.pool(y))))
        return F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=self.corners)
"""


@pytest.fixture
def compared(ucseg: Run, tmp_path: Path) -> Any:
    """``compared(arguments)``: the JSON of Net beside Net with other arguments."""
    (tmp_path / "net.py").write_text(NET)

    def compared(arguments: str) -> Any:
        answer = ucseg("compare", "net.py:Net", f"net.py:Net+{arguments}", "-s", "32", "-f", "json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    return compared


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        ("dilation=2", "padding 1 → 2 and dilation 1 → 2 in body"),
        ("act=GELU", "class ReLU → GELU in backbone.2"),
        ("drop=0.5", "p 0.1 → 0.5 in drop"),
        ("eps=1e-3", "eps 1e-05 → 0.001 in backbone.1"),
        ("corners=true", "align_corners false → true in the model itself"),
        ("slope=0.2", "negative_slope default → 0.2 in the model itself"),
        ("swap=true", "order: right runs before left, not after left"),
        (
            "dilation=2+act=GELU+drop=0.5",
            (
                "class ReLU → GELU in backbone.2, padding 1 → 2 and dilation 1 → 2 in body, "
                "1 more difference"
            ),
        ),
    ],
)
def test_what_no_cost_shows_is_named(compared: Any, arguments: str, difference: str) -> None:
    answer = compared(arguments)
    model = f"net.py:Net+{arguments}"
    summary = answer["verdict"]["summary"]
    changed = [change["axis"] for change in answer["axes"]]
    assert summary.startswith(f"{model} differs from net.py:Net in {changed[0]} ")
    assert summary.endswith(f" ({difference}); no cost differs.")
    assert answer["models"][1]["same"] is False
    assert answer["settings"]


def test_a_frozen_backbone_is_named(compared: Any) -> None:
    answer = compared("frozen=('backbone',)")
    assert answer["verdict"]["summary"].endswith(
        "has as many parameters as net.py:Net and as many fvcore FLOPs; 480 more of them are "
        "frozen, in backbone.0 and backbone.1."
    )
    assert answer["settings"][0] == {
        "model": "net.py:Net+frozen=('backbone',)",
        "module": "backbone.0",
        "setting": "trainable",
        "before": "yes",
        "after": "no",
    }
    assert {module["path"]: module["status"] for module in answer["modules"]} == {
        "backbone.0": "changed", "backbone.1": "changed", "backbone.2": "unchanged",
        **dict.fromkeys(("body", "left", "right", "pool", "drop", "soft", "head", ""), "unchanged"),
    }  # fmt: skip


def test_several_modules_that_changed_alike_are_counted(compared: Any) -> None:
    said = compared("frozen=('backbone','body','left','right')")["verdict"]["summary"]
    assert said.endswith("more of them are frozen, in 5 modules.")


@pytest.mark.parametrize(
    ("arguments", "cost", "difference"),
    [
        ("extra=true", "rise by 2.3%", "class Identity → Softmax in soft"),
        ("pool=Avg", "fall by 2.3%", "class MaxPool2d → AvgPool2d in pool"),
        ("early=true", "rise by 4.7%", "inputs right, right → right, body in the model itself"),
    ],
)
def test_what_moves_more_or_fewer_bytes_alone_is_named_beside_them(
    compared: Any, arguments: str, cost: str, difference: str
) -> None:
    said = compared(arguments)["verdict"]["summary"]
    same = "has as many parameters as net.py:Net and as many fvcore FLOPs"
    assert said.endswith(f"{same}; bytes moved {cost}; it differs in {difference}.")


def test_a_kernel_that_was_turned_is_as_many_parameters_of_another_shape(compared: Any) -> None:
    changes = {change["setting"]: change for change in compared("turned=true")["settings"]}
    assert changes["shape of weight"]["before"] == [21, 16, 1, 3]
    assert changes["shape of weight"]["after"] == [21, 16, 3, 1]


def test_a_setting_without_bound_is_valid_json(compared: Any) -> None:
    (change,) = compared("clamp=1e999")["settings"]
    assert (change["setting"], change["before"], change["after"]) == ("max", 6.0, "inf")


def test_nothing_differs_between_equal_arguments(compared: Any) -> None:
    answer = compared("dilation=1")
    assert answer["models"][1]["same"] is True
    assert answer["settings"] == []
    assert answer["verdict"]["summary"].endswith(
        "has the same parameters and operations as net.py:Net in every module."
    )


def test_the_screen_shows_the_settings_that_the_json_has(
    ucseg: Run, read_tables: Tables, compared: Any
) -> None:
    json_summary = compared("dilation=2")["verdict"]["summary"]
    models = ("net.py:Net", "net.py:Net+dilation=2")
    markdown = ucseg("compare", *models, "-s", "32", "-f", "markdown").stdout
    assert read_tables(markdown)["Settings"][1:] == [
        ["padding", "1", "2", "body"],
        ["dilation", "1", "2", "body"],
    ]
    screen = ucseg("compare", *models, "-s", "32").stdout
    assert verdict(screen) == json_summary
    assert "Unchanged: 9 metrics, 12 axes, 10 modules" in screen


def test_totals_that_agree_while_modules_do_not_say_between_which_parameters_move(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "two.py").write_text(
        "from torch import nn\n\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, first=4):\n"
        "        super().__init__()\n"
        "        self.a = nn.Conv2d(3, first, (1, 3), padding=(0, 1), bias=False)\n"
        "        self.b = nn.Conv2d(first, 7 - first, 1, bias=False)\n"
        "        self.c = nn.Conv2d(7 - first, 3, (3, 1), padding=(1, 0), bias=False)\n"
    )
    answer = ucseg("compare", "two.py:Net", "two.py:Net+first=3", "-s", "8")
    assert verdict(answer.stdout) == (
        "two.py:Net+first=3 has as many parameters as two.py:Net and as many fvcore FLOPs; "
        "parameters move between modules: a -9, c +9; it differs in shape of weight "
        "3×4×1×1 → 4×3×1×1 in b."
    )
