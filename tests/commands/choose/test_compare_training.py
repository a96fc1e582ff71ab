"""``ucseg compare --train``: training steps side by side, and why they differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.screens import verdict

pytestmark = pytest.mark.torch

STEP = ("--size", "32", "--batch", "4", "--train", "--optimizer", "adamw")


def answer_of(ucseg: Run, *arguments: str) -> dict[str, Any]:
    ended = ucseg("compare", *arguments, "-f", "json")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("model", ["v1", "v3", "v2+dropout=0", "v2+head=before-upsample"])
def test_figures_are_those_of_memory_and_flops(ucseg: Run, model: str) -> None:
    compared = answer_of(ucseg, "v2", model, *STEP)["models"][1]
    memory = json.loads(ucseg("memory", model, *STEP, "-f", "json").stdout)["train"]
    flops = json.loads(ucseg("flops", model, *STEP, "-c", "macs", "-f", "json").stdout)
    assert compared["train"] == memory | flops["train"]
    assert compared["total"]["train-memory"] == memory["peak"]
    assert compared["total"]["macs"] == flops["total"]["macs"] == sum(flops["train"].values())


def test_axes_have_shares_of_the_memory_which_add_up(ucseg: Run) -> None:
    found = answer_of(ucseg, "v1", "v2", *STEP)["attribution"]
    (memory,) = [one for one in found if one["metric"] == "train-memory"]
    assert memory["delta"] != 0
    assert sum(effect["rounded"] for effect in memory["effects"]) == memory["delta"]


def test_an_axis_without_effect_on_a_forward_pass_has_its_share(ucseg: Run) -> None:
    found = answer_of(ucseg, "v1", "v2+dropout=0", *STEP)["attribution"]
    (memory,) = [one for one in found if one["metric"] == "train-memory"]
    effects = {effect["axis"]: effect["alone"] for effect in memory["effects"]}
    assert effects["dropout"] < 0
    said = verdict(ucseg("compare", "v2", "v2+dropout=0", *STEP).stdout)
    assert "less memory than v2" in said
    assert "as many MACs, from dropout 0.3 → 0" in said


def test_the_screen_has_the_parts_of_the_peak_and_both_passes(ucseg: Run) -> None:
    screen = ucseg("compare", "v1", "v2", *STEP).stdout
    rows = [line.split("  ")[0] for line in screen.splitlines()]
    parts = ["weights and buffers", "gradients", "optimizer's state", "saved for backward"]
    assert [row for row in rows if row in parts][-4:] == parts
    assert {"peak", "forward", "backward"} <= set(rows)
    assert "step AdamW, cross-entropy" in screen
    assert "gradients set to none, forward, loss, backward, update" in screen
    assert verdict(screen).startswith("A training step of v2 needs ")


def test_many_models_are_rows(ucseg: Run) -> None:
    screen = ucseg("compare", "v1", "v2", "v3", *STEP).stdout
    (heading,) = [line for line in screen.splitlines() if line.startswith("model  weights")]
    assert heading.split() == [
        *("model", "weights", "gradients", "optimizer", "saved", "temporary", "input", "peak")
    ]
    assert "forward  backward" in screen


def test_settings_are_those_of_the_forward_pass(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from torch import nn\n"
        "def Net(dilation: int = 1):\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3, dilation=dilation, padding=dilation),\n"
        "                         nn.ReLU(), nn.Conv2d(8, 2, 1))\n"
    )
    found = answer_of(ucseg, "net.py:Net", "net.py:Net+dilation=2", *STEP)["settings"]
    assert {setting["setting"] for setting in found} == {"padding", "dilation"}
    assert [setting["module"] for setting in found] == ["0", "0"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--train", "--latency"), "--latency is of inference"),
        (("--train", "--deploy"), "--deploy is of inference"),
        (("--train", "--convention", "fvcore"), "fvcore counts no backward pass"),
        (("--optimizer", "adam"), "--optimizer is of a training step"),
        (("--train", "--freeze", "nothing"), "no module of SegmentationNetwork is named"),
    ],
)
def test_what_is_not_of_a_step_is_refused(ucseg: Run, options: tuple[str, ...], said: str) -> None:
    ended = ucseg("compare", "v1", "v2", "--size", "32", "--batch", "4", *options)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert not ended.stdout


def test_a_model_that_cannot_be_trained_leaves_the_difference_open(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import torch\n"
        "def good():\n"
        "    return torch.nn.Conv2d(3, 4, 1)\n"
        "class bad(torch.nn.Conv2d):\n"
        "    def __init__(self):\n"
        "        super().__init__(3, 4, 1)\n"
        "    def forward(self, image):\n"
        "        return super().forward(image).detach()\n"
    )
    for models in (("net.py:good", "net.py:bad"), ("net.py:bad", "net.py:good", "net.py:bad")):
        found = answer_of(ucseg, *models, *STEP)
        deltas = {one["metric"]: one["delta"] for one in found["deltas"]}
        assert deltas["train-memory"] is None
        assert deltas["params"] == 0
        assert "operations are not compared" in found["verdict"]["summary"]
