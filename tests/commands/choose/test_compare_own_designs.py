"""Why two variants of a user's own design differ, by the arguments of its constructor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import permutations, product
from math import factorial
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("net")]

NET = """
from enum import Enum
from typing import Literal

import torch
from torch import nn


class Norm(Enum):
    BATCH = "bn"
    GROUP = "gn"


class Net(nn.Module):
    def __init__(self, width: int = 6, act: Literal["ReLU", "GELU"] = "ReLU", bias: bool = False,
                 *, norm: Norm = Norm.BATCH, note="", **rest):
        super().__init__()
        if width == 7 and bias:
            raise ValueError("seven with a bias")
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=bias)
        kinds = {Norm.BATCH: nn.BatchNorm2d(width), Norm.GROUP: nn.GroupNorm(1, width)}
        self.norm = kinds[norm]
        self.act = getattr(nn, act)()
        self.mix = nn.Linear(width, width) if act == "GELU" else nn.Identity()
        self.head = nn.Conv2d(width, 5, 1, bias=bias)
        self.fussy = width == 9 and act == "GELU"

    def forward(self, x):
        x = self.act(self.norm(self.stem(x)))
        if self.fussy:
            raise RuntimeError("nine and GELU")
        return self.head(self.mix(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def build(depth, width=4):
    return nn.Sequential(*(nn.Conv2d(3 if not i else width, width, 1) for i in range(depth)))
"""
SIZE = ("--size", "16")
CHANGES = {"width": "10", "act": "GELU", "bias": "true", "norm": "GROUP"}
CHANGED = "".join(f"+{name}={value}" for name, value in CHANGES.items())


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path / "net.py"


Compare = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(ucseg: Run) -> Compare:
    def compare(*models: str) -> dict[str, Any]:
        answer = ucseg("compare", *models, *SIZE, "-f", "json")
        assert answer.returncode == 0, answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    return compare


def by_metric(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {attribution["metric"]: attribution for attribution in answer["attribution"]}


# An independent Shapley computation: all 24 orders of four changes, on other counters


def independent_figures(net: Path) -> dict[frozenset[str], dict[str, int]]:
    """Parameters, multiply-adds and FLOPs of all 16 variants, by other counters than ours."""
    import torch
    from fvcore.nn import FlopCountAnalysis
    from torch.utils.flop_counter import FlopCounterMode

    scope: dict[str, Any] = {"__name__": "net_of_the_oracle"}
    exec(compile(net.read_text(), str(net), "exec"), scope)
    values = {"width": 10, "act": "GELU", "bias": True, "norm": scope["Norm"].GROUP}
    found = {}
    for some in product((False, True), repeat=4):
        taken = {name: values[name] for name, take in zip(values, some, strict=True) if take}
        model = scope["Net"](**taken).eval()
        x = torch.rand(1, 3, 16, 16)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(x)
        flops = FlopCountAnalysis(model, x)
        found[frozenset(taken)] = {
            "params": sum(parameter.numel() for parameter in model.parameters()),
            "torch": counter.get_total_flops(),
            "macs": counter.get_total_flops() // 2,
            "fvcore": int(flops.total()),
        }
    return found


def independent_shares(values: dict[frozenset[str], int]) -> dict[str, Fraction]:
    shares = dict.fromkeys(CHANGES, Fraction())
    for order in permutations(CHANGES):
        for step, name in enumerate(order):
            before = frozenset(order[:step])
            shares[name] += values[before | {name}] - values[before]
    return {name: share / factorial(len(CHANGES)) for name, share in shares.items()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_shares_of_four_arguments_are_those_of_an_independent_computation(
    compare: Compare, net: Path
) -> None:
    found = by_metric(compare("net.py:Net", f"net.py:Net{CHANGED}"))
    figures = independent_figures(net)
    for metric in ("params", "torch", "macs", "fvcore"):
        values = {taken: known[metric] for taken, known in figures.items()}
        expected = independent_shares(values)
        assert found[metric]["over_all_orders"]
        for effect in found[metric]["effects"]:
            share = effect["share"]
            assert Fraction(share["numerator"], share["denominator"]) == expected[effect["axis"]]
        assert {effect["axis"] for effect in found[metric]["effects"]} == expected.keys()
    assert found["params"]["delta"] != 0 != found["torch"]["delta"]


def test_every_metric_has_shares_that_add_up_and_peak_memory_is_one(compare: Compare) -> None:
    answer = compare("net.py:Net", f"net.py:Net{CHANGED}")
    found = by_metric(answer)
    deltas = {delta["metric"]: delta["delta"] for delta in answer["deltas"]}
    assert found.keys() == deltas.keys()
    assert "peak-memory" in found
    for metric, attribution in found.items():
        assert sum(effect["rounded"] for effect in attribution["effects"]) == deltas[metric]


# The screen


def test_the_verdict_names_the_argument_that_does_most(ucseg: Run) -> None:
    said = " ".join(ucseg("compare", "net.py:Net", f"net.py:Net{CHANGED}", *SIZE).stdout.split())
    assert "mostly from width 6 → 10" in said
    full = ucseg("compare", "net.py:Net", f"net.py:Net{CHANGED}", *SIZE, "--full").stdout
    assert "Why parameters differ" in full
    assert "Why peak memory differs" in full


def test_several_variants_of_a_design_are_rows_with_their_axes(ucseg: Run) -> None:
    models = ("net.py:Net", "net.py:Net+width=8", "net.py:Net+act=GELU")
    lines = ucseg("compare", *models, *SIZE).stdout.splitlines()
    table = lines[lines.index("Axes") :]
    assert [line.split() for line in table[1:6] if "─" not in line] == [
        ["model", "width", "act"],
        ["Net", "6", "ReLU"],
        ["Net+width=8", "8", "ReLU"],
        ["Net+act=GELU", "6", "GELU"],
    ]


@pytest.mark.parametrize(
    ("models", "axes"),
    [
        (("net.py:Net", "net.py:Net+width=6"), []),
        (("net.py:Net+act=ReLU", "net.py:Net+act='ReLU'"), []),
        (("net.py:Net+bias=False", "net.py:Net+bias=true"), [("bias", False, True)]),
        (("net.py:Net+norm=gn", "./net.py:Net"), [("norm", "GROUP", "BATCH")]),
        (("net.py:build+depth=1", "net.py:build+depth=2"), [("depth", 1, 2)]),
        (("net.py:Net+more=(1,2)", "net.py:Net"), [("more", [1, 2], "absent")]),
        (("net.py:Net", "net.py:build+depth=1"), []),
        (("torchvision:resnet18", "torchvision:resnet34"), []),
        (
            ("torchvision:resnet18", "torchvision:resnet18+num_classes=7"),
            [("num_classes", 1000, 7)],
        ),
    ],
)
def test_axes_differ_where_values_in_force_do(
    ucseg: Run, models: tuple[str, ...], axes: list[tuple[Any, ...]]
) -> None:
    answer = json.loads(ucseg("compare", *models, "--size", "64", "-f", "json").stdout)
    found = [(change["axis"], change["before"], change["after"]) for change in answer["axes"]]
    assert found == axes


# Variants between that do not exist


def test_a_variant_between_that_cannot_be_built_is_named_and_shares_follow_an_order(
    ucseg: Run,
) -> None:
    models = ("net.py:Net+bias=true", "net.py:Net+width=7+act=GELU")
    answer = json.loads(ucseg("compare", *models, *SIZE, "-f", "json").stdout)
    assert answer["gaps"] == [
        {"changed": ["width"], "reason": "Net cannot be built: ValueError: seven with a bias"},
        {
            "changed": ["act", "width"],
            "reason": "Net cannot be built: ValueError: seven with a bias",
        },
    ]
    params = by_metric(answer)["params"]
    assert not params["over_all_orders"]
    # declared: width, act, bias; width cannot be first, nor second after act
    assert [effect["axis"] for effect in params["effects"]] == ["act", "bias", "width"]
    assert sum(effect["rounded"] for effect in params["effects"]) == params["delta"]
    effects = {effect["axis"]: effect for effect in params["effects"]}
    assert effects["width"]["alone"] is None
    assert effects["width"]["last"] is not None
    said = " ".join(ucseg("compare", *models, *SIZE).stdout.split())
    assert (
        "With only width 6 → 7 changed, Net cannot be built: ValueError: seven with a bias. "
        "1 other variant between failed, too. So shares are the effects of making the changes in "
        "this order: act, bias, width." in said
    )


def test_a_variant_between_that_does_not_run_has_no_figures_either(ucseg: Run) -> None:
    models = ("net.py:Net+width=9", "net.py:Net+act=GELU")
    answer = json.loads(ucseg("compare", *models, *SIZE, "-f", "json").stdout)
    ((gap),) = answer["gaps"]
    assert gap["changed"] == ["act"]
    assert gap["reason"].startswith("it does not run: nine and GELU")
    assert [effect["axis"] for effect in by_metric(answer)["params"]["effects"]] == ["width", "act"]


def test_without_any_way_from_one_to_the_other_there_are_no_shares(ucseg: Run, net: Path) -> None:
    text = NET.replace("if width == 7 and bias:", "if (width == 7) != bias:")
    net.write_text(text)
    models = ("net.py:Net", "net.py:Net+width=7+bias=true")
    answer = json.loads(ucseg("compare", *models, *SIZE, "-f", "json").stdout)
    assert (answer["attribution"], len(answer["gaps"])) == ([], 2)
    said = " ".join(ucseg("compare", *models, *SIZE).stdout.split())
    assert "no order of the changes works at each step" in said
    assert "largest change: " in said


# Values that an annotation closes


@pytest.mark.parametrize(
    ("argument", "near"),
    [("act=GEL", "did you mean 'GELU'?"), ("norm=GROUPS", "did you mean 'GROUP'?"), ("bias=2", "")],
)
def test_a_value_that_the_annotation_leaves_out_is_refused_with_those_known(
    ucseg: Run, argument: str, near: str
) -> None:
    answer = ucseg("params", f"net.py:Net+{argument}")
    assert answer.returncode == 2
    name = argument.partition("=")[0]
    assert f"no value of {name} named" in answer.stderr
    assert near in answer.stderr


def values_of(ucseg: Run, reference: str) -> Iterator[tuple[str, Any]]:
    answer = json.loads(ucseg("show", reference, *SIZE, "-f", "json").stdout)
    yield from answer["axes"].items()


def test_show_lists_the_arguments_in_force(ucseg: Run) -> None:
    assert dict(values_of(ucseg, "net.py:Net+norm=gn+rest=[1,2]")) == {
        "width": 6,
        "act": "ReLU",
        "bias": False,
        "norm": "GROUP",
        "note": "",
        "rest": [1, 2],
    }
    lines = ucseg("show", "net.py:Net+norm=gn", *SIZE).stdout.splitlines()
    table = lines[lines.index("Axes") :]
    assert table[1].split() == ["axis", "value", "default", "accepts"]
    assert next(line for line in table if line.startswith("norm")).split()[:3] == [
        "norm",
        "GROUP",
        "BATCH",
    ]
