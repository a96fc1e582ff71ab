"""Commands on a user's own models and on torchvision's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.screens import unwrapped
from ucseg_cli.gate import tracing
from ucseg_cli.references.variants import Variant, as_variant

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        return self.head(self.body(x))

class Two(Net):
    def forward(self, x, y):
        return super().forward(x) + y

class Looking(Net):
    def forward(self, x):
        return super().forward(x * x.mean().item())

class Drawing(Net):
    def forward(self, x):
        x = x + torch.rand_like(x)
        return super().forward(x if torch.randn(1) + torch.rand(1) < 9 else x + 1)
"""
PARAMS = 4 * 28 + 10

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)


def answer(ucseg: Run, *arguments: str) -> Any:
    done = ucseg(*arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_params_of_a_class_in_a_file(ucseg: Run) -> None:
    assert answer(ucseg, "params", "net.py:Net")["total"]["params"] == PARAMS
    assert answer(ucseg, "params", "net.py:Net+width=5")["total"]["params"] == 5 * 28 + 12
    assert answer(ucseg, "params", "-v", "net:Net")["model"] == "net:Net"


def test_a_user_s_class_is_the_baseline_of_a_variant(ucseg: Run) -> None:
    compared = answer(ucseg, "compare", "net.py:Net", "v2")
    totals = {delta["metric"]: delta for delta in compared["deltas"]}
    assert (totals["params"]["before"], totals["params"]["after"]) == (PARAMS, 645_245)
    assert totals["macs"]["before"] == 112 * 112 * (4 * 27 + 8)
    for metric in ("params", "fvcore", "macs", "torch"):
        assert (
            sum(module[metric]["delta"] for module in compared["modules"])
            == totals[metric]["delta"]
        )
    # a stem of 3×3 and a head of ten weights are not the classifier, whatever is of one class
    status = {module["path"]: module["status"] for module in compared["modules"]}
    assert (status["body.0"], status["head"], status["classifier.1"]) == ("gone", "gone", "new")


def test_the_figures_of_torchvision_s_networks(ucseg: Run) -> None:
    total = answer(ucseg, "show", "torchvision:resnet18")["total"]
    assert total["params"] == 11_689_512
    assert total["macs"] == 1_814_073_344  # 1.814 GFLOPS in torchvision's table


def test_inputs_of_any_rank(ucseg: Run) -> None:
    result = answer(ucseg, "flops", "torchvision:r3d_18", "--input", "1x3x16x112x112")
    assert result["total"]["macs"] == 40_696_553_472  # 40.697 GFLOPS in torchvision's table
    assert result["conditions"]["inputs"] == [[1, 3, 16, 112, 112]]


def test_where_it_does_not_run_params_and_show_answer_with_the_reason_and_flops_has_no_answer(
    ucseg: Run,
) -> None:
    for command in ("params", "show"):
        result = answer(ucseg, command, "net.py:Two")
        assert result["total"]["params"] == PARAMS
        assert "macs" not in result["total"]
        (run,) = result["conditions"]["runs"]
        assert run["failure"].startswith("forward(x, y) does not take 1 input tensor: it needs y")
    screen = ucseg("params", "net.py:Two").stdout
    assert (
        "net.py:Two did not run, so there are no operations to count: forward(x, y) does not take"
        in screen
    )
    for command in ("flops", "probe", "memory", "reach", "lint", "verify"):
        failed = ucseg(command, "net.py:Two")
        assert (failed.returncode, failed.stdout) == (2, "")
        assert (
            "net.py:Two does not run: forward(x, y) does not take 1 input tensor" in failed.stderr
        )
        assert "`ucseg params net.py:Two` counts its parameters all the same" in failed.stderr


def test_a_comparison_with_what_does_not_run_says_nothing_of_operations(ucseg: Run) -> None:
    compared = answer(ucseg, "compare", "net.py:Two", "v2")
    deltas = {delta["metric"]: delta["delta"] for delta in compared["deltas"]}
    assert deltas["params"] == 645_245 - PARAMS
    assert deltas["macs"] is deltas["peak-memory"] is None
    assert compared["lint"] == []
    assert "operations are not compared" in compared["verdict"]["summary"]


def test_a_budget_of_parameters_holds_what_does_not_run_and_one_of_operations_cannot(
    ucseg: Run,
) -> None:
    assert ucseg("check", "net.py:Two", "--max", f"params={PARAMS}").returncode == 0
    assert ucseg("check", "net.py:Two", "--max", f"params={PARAMS - 1}").returncode == 1
    failed = ucseg("check", "net.py:Two", "--max", "macs=1G")
    assert failed.returncode == 2
    assert "net.py:Two does not run, so it has no macs" in failed.stderr
    held = ucseg("check", "net.py:Two", "--max", "macs=1G", "--input", "1x3x8x8,1x2x4x4")
    assert held.returncode == 0, held.stderr


def test_what_ran_on_real_tensors_says_so_on_the_screen_and_in_json(ucseg: Run) -> None:
    assert "net.py:Looking needs data to run" in ucseg("flops", "net.py:Looking").stdout
    (run,) = answer(ucseg, "flops", "net.py:Looking")["conditions"]["runs"]
    assert run == {"model": "net.py:Looking", "device": "cpu", "failure": None}


def test_other_counters_agree_on_a_user_s_model(ucseg: Run) -> None:
    verified = answer(ucseg, "verify", "net.py:Net", "--size", "16")
    assert [counter["agrees"] for counter in verified["counters"]] == [True] * 4


def test_a_user_s_model_is_not_cached_and_one_of_torchvision_s_is(
    ucseg: Run, fake_engine: list[tracing.Request]
) -> None:
    for _ in range(2):
        ucseg("params", "net.py:Net")
        ucseg("params", "torchvision:squeezenet1_1")
    assert [str(request.model) for request in fake_engine] == [
        "net.py:Net",
        "torchvision:squeezenet1_1",
        "net.py:Net",
    ]


def test_a_configuration_names_a_file_from_where_it_lies(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = f'[[budgets]]\nid = "own"\nvariant = "net.py:Net"\nmetric = "params"\nmax = {PARAMS}\n'
    (tmp_path / "ucseg.toml").write_text(
        f'baseline = "net.py:Net"\ndefault = "net.py:Net+width=5"\n{budget}'
    )
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert ucseg("check").returncode == 0
    assert answer(ucseg, "params")["total"]["params"] == 5 * 28 + 12
    assert answer(ucseg, "compare", "v2")["baseline"] == "net.py:Net"
    assert answer(ucseg, "list")["baseline"] == "v1"


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["params", "nett.py:Net"], ["there is no file nett.py", "did you mean 'net.py'?"]),
        (
            ["params", "net.py:Nett"],
            ["no model named 'Nett'", "known: Net, Two, Looking", "did you mean 'Net'?"],
        ),
        (
            ["params", "net.py:Net+widht=3"],
            ["no argument of Net named 'widht'", "did you mean 'width'?"],
        ),
        (["params", "nowhere.nets:Net"], ["no module named 'nowhere'"]),
        (
            ["params", "torchvision:resnet51"],
            ["no torchvision model named 'resnet51'", "did you mean 'resnet50'?"],
        ),
        (
            ["params", "torchvision:resnet18+num_clases=3"],
            ["'num_clases'", "did you mean 'num_classes'?"],
        ),
        (["flops", "v2", "--input", "1x3x8x8,1x4"], ["a variant takes one tensor, N×3×H×W"]),
        (["lock", "net.py:Two"], ["net.py:Two does not run"]),
    ],
)
def test_a_mistake_comes_with_the_way_to_fix_it(
    ucseg: Run, arguments: list[str], given: list[str]
) -> None:
    failed = ucseg(*arguments)
    assert (failed.returncode, failed.stdout) == (2, "")
    for text in given:
        assert text in failed.stderr
    assert "Traceback" not in failed.stderr


OF_THE_FAMILY = """
from ucseg_cli import build_model

class Original:
    pass

def original(classes=21, head="after-upsample"):
    network = build_model(f"v1+classes={classes}+head={head}")
    network.__class__ = type("Original", (type(network),), {})
    return network
"""


def test_a_user_s_own_class_of_the_family_is_compared_by_axes(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "original.py").write_text(OF_THE_FAMILY)
    mine, named = (
        answer(ucseg, "compare", "original.py:original", "v2"),
        answer(ucseg, "compare", "v1", "v2"),
    )
    assert mine["conditions"]["recognised"] == [{"model": "original.py:original", "variant": "v1"}]
    for key in ("axes", "deltas", "modules", "taps", "lint"):
        assert mine[key] == named[key]
    assert mine["attribution"] == named["attribution"]


FUNCTION = """
import torch

def example():
    return {"x": torch.rand(1, 3, 64, 64)}
"""


@pytest.mark.parametrize("given", ["x=1x3x64x64", "original.py:example"])
def test_a_model_is_recognised_on_whatever_way_its_tensor_goes_in(
    ucseg: Run, tmp_path: Path, given: str
) -> None:
    (tmp_path / "original.py").write_text(OF_THE_FAMILY + FUNCTION)
    models = ("original.py:original", "original.py:original+head=before-upsample")
    mine = answer(ucseg, "compare", *models, "-i", given)
    named = answer(ucseg, "compare", "v1", "v1+head=before-upsample", "-s", "64")
    assert [one["variant"] for one in mine["conditions"]["recognised"]] == [
        "v1",
        "v1+head=before-upsample",
    ]
    for one, other in zip(mine["deltas"], named["deltas"], strict=True):
        assert one == {**other, "model": one["model"]}
    assert mine["attribution"] == named["attribution"]
    linted = answer(ucseg, "lint", models[0], "-i", given)["findings"]
    assert linted == answer(ucseg, "lint", "v1", "-s", "64")["findings"] != []


WRITTEN_OTHERWISE = """
import torch
from ucseg_cli import build_model
from ucseg_cli.nets.network import run_features, upsample

def not_in_place(head="after-upsample"):
    network = build_model(f"v1+head={head}")
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return network

def frozen(head="after-upsample"):
    network = build_model(f"v1+head={head}")
    network.features.requires_grad_(False)
    return network

def keeping(head="after-upsample"):
    network = build_model(f"v1+head={head}")
    network.__class__ = type("Own", (type(network),), {"forward": forward})
    return network

def forward(self, x):
    taps = run_features(self.features, x, self.variant.taps)
    mid = self.mid_conv(taps["mid"])
    context = upsample(self.aspp(taps["high"]), like=mid)
    joined = torch.cat([context, mid], dim=1)
    decoded = self.decoder(joined)
    wide = upsample(decoded, like=x)
    return self.classifier(wide)
"""
IMPLEMENTATIONS: dict[str, set[str]] = {
    "not_in_place": set(),
    "frozen": {"trainable", "frozen"},
    "keeping": {"peak-memory"},
}
"""By another way to write v1, the metrics in which it differs from the built-in network."""


@pytest.mark.parametrize("written", IMPLEMENTATIONS)
def test_a_fix_is_priced_between_two_of_one_implementation(
    ucseg: Run, tmp_path: Path, written: str
) -> None:
    (tmp_path / "original.py").write_text(WRITTEN_OTHERWISE)
    mine, named = (
        answer(ucseg, "lint", model, "--select", "UC104")["findings"]
        for model in (f"original.py:{written}", "v1")
    )
    assert [finding["fix"] for finding in mine] == [finding["fix"] for finding in named]
    totals = [
        answer(ucseg, "compare", "v1", model)["models"][1]["total"]
        for model in ("v1", "v1+head=before-upsample")
    ]
    assert mine[0]["fix"]["saving"] == {
        metric: before - totals[1][metric] for metric, before in totals[0].items()
    }
    screen = ucseg("lint", f"original.py:{written}", "--select", "UC104").stdout
    assert "Savings are of the built-in v1, with and without the fix." in unwrapped(screen)
    assert "Savings are of" not in ucseg("lint", "v1", "--select", "UC104").stdout


@pytest.mark.parametrize("written", IMPLEMENTATIONS)
def test_axes_explain_no_metric_in_which_another_implementation_differs(
    ucseg: Run, tmp_path: Path, written: str
) -> None:
    (tmp_path / "original.py").write_text(WRITTEN_OTHERWISE)
    mine = answer(ucseg, "compare", f"original.py:{written}", "v2")
    named = answer(ucseg, "compare", "v1", "v2")
    differ = {
        metric
        for metric, figure in mine["models"][0]["total"].items()
        if figure != named["models"][0]["total"][metric]
    }
    assert differ == IMPLEMENTATIONS[written]
    assert mine["attribution"] == [
        row for row in named["attribution"] if row["metric"] not in differ
    ]


def test_a_fix_of_it_is_a_variant_that_can_be_typed(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "original.py").write_text(OF_THE_FAMILY)
    found = answer(ucseg, "lint", "original.py:original+classes=19", "--select", "UC104")[
        "findings"
    ]
    assert [finding["fix"]["reference"] for finding in found] == [
        "v1+classes=19+head=before-upsample"
    ]
    screen = ucseg("lint", "original.py:original+head=before-upsample").stdout
    assert (
        "original.py:original+head=before-upsample is v1+head=before-upsample: the same parameters"
        in screen
    )


def rows_of(ucseg: Run, *arguments: str) -> list[list[str]]:
    """The cells of the first table of modules on the screen."""
    screen = ucseg(*arguments, "--exact").stdout
    table = screen.partition("Parameters by module\n")[2].partition("\n\n")[0].split("\n")
    return [re.split(r"\s{2,}", line.strip()) for line in table[2:] if not line.startswith("─")]


@pytest.mark.parametrize(
    "models",
    [
        ("torchvision:deeplabv3_mobilenet_v3_large", "v2"),
        ("v2", "torchvision:lraspp_mobilenet_v3_large"),
        ("v1", "v2", "net.py:Net"),
        ("torchvision:resnet18", "v2", "torchvision:squeezenet1_1"),
    ],
)
def test_the_rows_of_a_screen_add_up_also_where_paths_mean_different_modules(
    ucseg: Run, models: tuple[str, ...]
) -> None:
    *rows, total = rows_of(ucseg, "compare", *models, "--depth", "2", "--full")
    for column in (1, *range(2, 2 + 3 * (len(models) - 1), 3)):
        cells = [row[column].replace(",", "") for row in (*rows, total)]
        *counts, whole = [int(cell) if cell.lstrip("+-").isdecimal() else 0 for cell in cells]
        assert sum(counts) == whole > 0


@pytest.mark.filterwarnings("ignore")
def test_a_quantized_model_says_that_its_weights_are_out_of_sight(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "quantized.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def make():\n    model = nn.Sequential(nn.Linear(16, 8))\n"
        "    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear})\n"
    )
    shown = ucseg("show", "quantized.py:make", "--input", "1x16")
    assert "quantized.py:make has quantized layers: their weights are packed" in shown.stdout
    packed = answer(ucseg, "params", "quantized.py:make", "--input", "1x16")["conditions"]["packed"]
    assert packed == ["quantized.py:make"]


def test_a_traced_script_runs_as_any_model(ucseg_process: Run, tmp_path: Path) -> None:
    """In a process of its own: a failure on meta leaves torch's tracer in a bad state."""
    (tmp_path / "traced.py").write_text(
        "import torch, warnings\nfrom torch import nn\n"
        "def make():\n    with warnings.catch_warnings():\n"
        "        warnings.simplefilter('ignore')\n"
        "        return torch.jit.trace(nn.Conv2d(3, 4, 3).eval(), torch.zeros(1, 3, 8, 8))\n"
    )
    assert (
        answer(ucseg_process, "flops", "traced.py:make", "--size", "8")["total"]["macs"]
        == 36 * 4 * 27
    )


def test_a_checkpoint_in_a_comparison_is_matched_by_path_and_says_how_to_learn_more(
    ucseg: Run, tmp_path: Path, write_weights: Callable[[Path, Variant], None]
) -> None:
    write_weights(tmp_path / "v2.safetensors", as_variant("v2"))
    compared = answer(ucseg, "compare", "v2.safetensors", "v2")
    assert {module["params"]["delta"] for module in compared["modules"]} == {0}
    screen = ucseg("compare", "v2.safetensors", "v2").stdout
    assert "`ucseg identify v2.safetensors` shows which variant it fits." in screen


@pytest.mark.parametrize("command", ["show", "flops"])
def test_a_model_that_reads_numbers_it_drew_has_a_note(ucseg: Run, command: str) -> None:
    shown = " ".join(ucseg(command, "net.py:Drawing").stdout.split())
    said = "decide shapes or branches (randn 1, rand 1): another run may take another way."
    assert f"net.py:Drawing drew random numbers that {said}" in shown
    conditions = answer(ucseg, command, "net.py:Drawing")["conditions"]
    assert conditions["drawn"] == [
        {"model": "net.py:Drawing", "operators": {"randn": 1, "rand": 1}}
    ]
    assert "drew" not in ucseg(command, "net.py:Net").stdout


def test_an_argument_that_changes_nothing_is_reported(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE)
    name = "torchvision:lraspp_mobilenet_v3_large+inter_channels=64"
    answer = ucseg("params", name, "--size", "64", "--no-cache", "-f", "json")
    assert json.loads(answer.stdout)["conditions"]["idle"] == [
        {"model": name, "arguments": ["inter_channels"]}
    ]
    screen = " ".join(ucseg("params", name, "--size", "64").stdout.split())
    assert "inter_channels changed no figure; modules and operators are the same without." in screen
