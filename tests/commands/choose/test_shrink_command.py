from __future__ import annotations

import csv
import json
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run, Tables, TraceOf
from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references.variants import AXES, as_variant

LARGE = Conditions(Size(512, 512))


def answer(ucseg: Run, *arguments: str) -> dict[str, Any]:
    found = ucseg("shrink", *arguments, "-f", "json")
    assert (found.returncode, found.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(found.stdout)
    return parsed


def test_every_step_has_the_figures_of_its_variant_and_the_differences(
    ucseg: Run, trace_of: TraceOf
) -> None:
    found = answer(ucseg, "v2", "--size", "512")
    before = totals(trace_of(as_variant("v2"), LARGE))
    assert (found["kind"], found["model"], found["by"]) == ("ucseg.shrink", "v2", "axes")
    assert found["total"] == before
    for step in found["steps"]:
        after = totals(trace_of(as_variant(step["reference"]), LARGE))
        assert step["total"] == after, step["reference"]
        assert step["saved"] == {metric: before[metric] - after[metric] for metric in METRICS}
        assert step["raises"] == [metric for metric in METRICS if after[metric] > before[metric]]


def test_each_axis_has_a_step_or_a_reason(ucseg: Run) -> None:
    found = answer(ucseg, "v2")
    stepped = {step["axis"]: step["after"] for step in found["steps"]}
    assert stepped == {
        "backbone": ":10",
        "rates": "6,12",
        "decoder_blocks": "1",
        "aspp_channels": "48",
        "mid_channels": "18",
        "decoder_channels": "48",
        "head": "before-upsample",
    }
    reasons = {row["axis"]: row["reason"] for row in found["left_out"]}
    assert reasons == {
        **dict.fromkeys(("output_stride", "conv", "low_skip"), "it is at its least"),
        "dropout": "no count depends on it",
        "classes": "the task sets it, and it is the shape of the output",
    }
    assert stepped.keys() | reasons.keys() == {axis.name for axis in AXES}


def test_benefits_are_those_of_probe_and_reach(ucseg: Run) -> None:
    for step in answer(ucseg, "v1", "--size", "64")["steps"]:
        at = (step["reference"], "--size", "64", "-f", "json")
        (taps,) = json.loads(ucseg("probe", *at).stdout)["models"]
        (convs,) = json.loads(ucseg("reach", *at).stdout)["sizes"]
        live = [conv["kernel_positions"] - conv["dead_positions"] for conv in convs["convs"]]
        assert step["benefits"]["live-positions"] == sum(live)
        (high,) = (tap for tap in taps["taps"] if tap["name"] == "high")
        assert step["benefits"]["output-stride"] == high["stride"]


def test_the_first_row_and_the_sentence_name_the_step_that_saves_most(
    ucseg: Run, read_tables: Tables
) -> None:
    text = ucseg("shrink", "v2", "--size", "512").stdout
    assert " ".join(text.split("\n\n")[-1].split()) == (
        "In v2 at 512 shrink head first: v2+head=before-upsample saves 392M FLOPs (fvcore) (53.2%) "
        "and no parameters; same output."
    )
    tables = read_tables(ucseg("shrink", "v2", "--size", "512", "-f", "markdown").stdout)
    assert tables["One step down"][1][:2] == ["head", "→ before-upsample"]
    summary = answer(ucseg, "v2", "--size", "512")["verdict"]["summary"]
    assert summary == " ".join(text.split("\n\n")[-1].split())


@pytest.mark.parametrize("metric", METRICS)
def test_steps_are_sorted_by_what_they_save_of_any_metric(ucseg: Run, metric: str) -> None:
    saved = [step["saved"][metric] for step in answer(ucseg, "v2", "--sort", metric)["steps"]]
    assert saved == sorted(saved, reverse=True)


def test_a_step_that_raises_a_metric_says_so_and_is_not_recommended_for_it(ucseg: Run) -> None:
    text = ucseg("shrink", "v2", "--sort", "frozen").stdout
    assert "No axis of v2 at 224 has a step down that saves frozen." in " ".join(text.split())
    (lower,) = (
        step for step in answer(ucseg, "v1", "--size", "64")["steps"] if step["axis"] == "backbone"
    )
    assert lower["raises"] == [metric for metric, saved in lower["saved"].items() if saved < 0]
    assert "macs" in lower["raises"]  # one entry less, and the high tap has a stride of 16
    assert lower["benefits"]["output-stride"] == 16
    shown = " ".join(ucseg("shrink", "v1", "--size", "64").stdout.split())
    assert "stride 32 → 16" in shown
    assert "raises fvcore" in shown


def test_top_counts_the_steps_that_it_leaves_out_and_files_have_all(
    ucseg: Run, read_tables: Tables
) -> None:
    arguments = ("shrink", "v2", "--top", "2")
    rows = read_tables(ucseg(*arguments, "-f", "markdown").stdout)["One step down"][1:]
    assert [row[0] for row in rows] == ["head", "decoder_channels", "5 other steps"]
    assert len(json.loads(ucseg(*arguments, "-f", "json").stdout)["steps"]) == 7
    lines = list(csv.DictReader(StringIO(ucseg(*arguments, "-f", "csv").stdout)))
    assert len(lines) == 7
    assert [int(line["params"]) for line in lines] == [
        step["total"]["params"] for step in answer(ucseg, *arguments[1:])["steps"]
    ]
    assert lines[0]["receptive-field"] == "895"


def test_an_unknown_metric_is_answered_with_the_nearest(ucseg: Run) -> None:
    found = ucseg("shrink", "v2", "--sort", "parms")
    assert found.returncode == 2
    assert "no metric named 'parms'" in found.stderr
    assert "did you mean 'params'?" in found.stderr
    assert "which?" in ucseg("shrink", "v2", "--sort", "flops").stderr


# Layers


def test_a_network_without_axes_is_narrowed_layer_by_layer(ucseg: Run) -> None:
    model = ("torchvision:resnet18", "--layers", "--size", "64")
    found = answer(ucseg, *model)
    assert found["by"] == "layers"
    by_layers = {step["layers"][0]["path"]: step for step in found["steps"]}
    first = by_layers["layer1.0.conv1"]
    assert first["layers"] == [{"path": "layer1.0.conv1", "before": 64, "after": 48}]
    assert first["dependent"] == ["layer1.0.bn1", "layer1.0.conv2"]
    weights, norm = 2 * 16 * 64 * 9, 2 * 16  # of the conv and the next one; scale and shift
    assert first["saved"]["params"] == weights + norm
    assert first["saved"]["buffers"] == 2 * 16
    positions = 16 * 16
    assert first["saved"]["macs"] == weights * positions
    assert first["keeps_output"]
    assert [row["path"] for row in found["not_narrowable"]] == ["fc"]
    assert found["benefits"] == first["benefits"]


def test_every_conv_and_linear_layer_of_v2_is_in_a_step_or_has_a_reason(
    ucseg: Run, trace_of: TraceOf
) -> None:
    found = answer(ucseg, "v2", "--layers")
    trace = trace_of(as_variant("v2"), Conditions())
    layers = {
        module.path
        for module in trace.modules
        if module.type in {"Conv2d", "Linear"}
        and prod(trace.tensors[module.parameters[0].tensor].shape[1:2]) != 1  # not depthwise
    }
    stepped = {layer["path"] for step in found["steps"] for layer in step["layers"]}
    assert stepped | {row["path"] for row in found["not_narrowable"]} == layers


def test_a_long_table_is_folded_on_the_screen_and_the_option_to_see_it_is_named(ucseg: Run) -> None:
    text = ucseg("shrink", "v2", "--layers").stdout
    assert "12 other steps" in text
    assert "`--top 32` shows every row." in text
    assert "other steps" not in ucseg("shrink", "v2", "--layers", "--top", "32").stdout
    fixed = answer(ucseg, "torchvision:swin_t", "--layers")["not_narrowable"]
    assert (
        f"{len(fixed) - 8} other layers" in ucseg("shrink", "torchvision:swin_t", "--layers").stdout
    )


def test_a_checkpoint_has_no_pass_to_narrow(ucseg: Run, write_weights: Any, tmp_path: Path) -> None:
    write_weights(tmp_path / "weights.safetensors", as_variant("v2"))
    found = ucseg("shrink", "weights.safetensors", "--layers")
    assert found.returncode == 2
    assert "a state dict has no forward pass" in found.stderr


# A user's own designs

NET = """
from typing import Literal

from torch import nn


class Net(nn.Module):
    def __init__(self, width: int = 16, depth: int = 2, groups: int = 4, classes: int = 5,
                 kernel: Literal[1, 3, 7] = 7, zero: int = 0, bias: bool = True, rate=0.5):
        super().__init__()
        padding = kernel // 2
        self.stem = nn.Conv2d(3, width, kernel, padding=padding, bias=bias)
        self.blocks = nn.Sequential(
            *(nn.Conv2d(width, width, 3, padding=1, groups=groups) for _ in range(depth))
        )
        self.head = nn.Conv2d(width, classes, 1)
        self.broken = depth == 1

    def forward(self, x):
        if self.broken:
            raise RuntimeError("one block is too few")
        return self.head(self.blocks(self.stem(x)))


class Plain(nn.Module):
    def __init__(self, classes: int = 4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, classes, 1))

    def forward(self, x):
        return self.body(x)
"""


@pytest.fixture
def _net() -> None:
    Path("net.py").write_text(NET)


@pytest.mark.torch
@pytest.mark.usefixtures("_net")
def test_integer_arguments_of_a_user_s_class_are_its_axes(ucseg: Run) -> None:
    found = answer(ucseg, "net.py:Net", "--size", "16")
    assert {step["axis"]: (step["before"], step["after"]) for step in found["steps"]} == {
        "width": ("16", "12"),
        "kernel": ("7", "3"),
        "classes": ("5", "4"),
    }
    assert [row["axis"] for row in found["left_out"]] == ["zero"]
    failed = {row["axis"]: row["reason"] for row in found["failed"]}
    assert failed.keys() == {"depth", "groups"}
    assert "one block is too few" in failed["depth"]
    assert "divisible by groups" in failed["groups"]
    for step in found["steps"]:
        alone = json.loads(ucseg("params", step["reference"], "--size", "16", "-f", "json").stdout)
        assert step["total"]["params"] == alone["total"]["params"]
    (classes,) = (step for step in found["steps"] if step["axis"] == "classes")
    assert found["steps"][-1] == classes  # it changes the output
    assert (classes["keeps_output"], classes["outputs"]) == (False, [[1, 4, 16, 16]])


@pytest.mark.torch
@pytest.mark.usefixtures("_net")
def test_a_step_is_taken_from_the_value_that_is_typed(ucseg: Run) -> None:
    found = answer(ucseg, "net.py:Net+width=32+depth=3", "--size", "16")
    references = {step["axis"]: step["reference"] for step in found["steps"]}
    assert references["width"] == "net.py:Net+width=24+depth=3"
    assert references["depth"] == "net.py:Net+width=32+depth=2"


@pytest.mark.torch
@pytest.mark.usefixtures("_net")
def test_where_every_axis_changes_the_output_layers_are_narrowed_instead(ucseg: Run) -> None:
    found = answer(ucseg, "net.py:Plain", "--size", "16")
    assert found["by"] == "layers"
    assert [step["layers"][0]["path"] for step in found["steps"]] == ["body.0"]
    assert found["left_out"] == [
        {"axis": "classes", "value": "4", "reason": "it changes the shape of the output"}
    ]
    assert [row["path"] for row in found["not_narrowable"]] == ["body.2"]
