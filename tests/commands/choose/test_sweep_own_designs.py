"""``ucseg sweep`` over the arguments of a user's own constructor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("net")]

NET = """
from enum import Enum
from typing import Literal

from torch import nn


class Norm(Enum):
    BATCH = "bn"
    GROUP = "gn"


class Net(nn.Module):
    def __init__(self, width: int = 6, act: Literal["ReLU", "GELU"] = "ReLU", bias: bool = False,
                 depths=(1, 2), *, norm: Norm = Norm.BATCH):
        super().__init__()
        if width == 7 and bias:
            raise ValueError("seven with a bias")
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=bias)
        kinds = {Norm.BATCH: nn.BatchNorm2d(width), Norm.GROUP: nn.GroupNorm(1, width)}
        self.norm = kinds[norm]
        self.act = getattr(nn, act)()
        self.mid = nn.Sequential(*(nn.Conv2d(width, width, 1) for d in depths for _ in range(d)))
        self.fussy = width == 9 and act == "GELU"

    def forward(self, x):
        if self.fussy:
            raise RuntimeError("nine and GELU")
        return self.mid(self.act(self.norm(self.stem(x))))


def build(depth, width=4, **rest):
    return nn.Sequential(*(nn.Conv2d(3 if not i else width, width, 1) for i in range(depth)))


def switched(wide=False):
    return nn.Conv2d(3, 8 if wide else 4, 1)
"""

Sweep = Callable[..., dict[str, Any]]


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path / "net.py"


@pytest.fixture
def sweep(ucseg: Run) -> Sweep:
    def run(model: str, *vary: str) -> dict[str, Any]:
        options = [word for text in vary for word in ("--vary", text)]
        done = ucseg("sweep", model, *options, "--size", "8", "-f", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def test_a_class_has_every_variant_with_the_figures_that_it_has_alone(
    ucseg: Run, sweep: Sweep
) -> None:
    found = sweep("net.py:Net", "width=6..8", "bias=*", "norm=*", "depths=1,2|3")
    assert found["space"]["axes"] == {
        "width": [6, 7, 8],
        "bias": [False, True],
        "norm": ["BATCH", "GROUP"],
        "depths": [[1, 2], 3],
    }
    built = {one["reference"]: one for one in found["variants"] if one["reason"] is None}
    # a depth that is a number cannot be iterated, and seven takes no bias
    assert len(built) == 3 * 2 * 2 - 2
    for name in ("net.py:Net", "net.py:Net+width=8+bias=True+norm=GROUP"):
        alone = json.loads(ucseg("params", name, "-f", "json").stdout)["total"]["params"]
        assert built[name]["metrics"]["params"] == alone
    reasons = {one["reference"]: one["reason"] for one in found["variants"]}
    assert "seven with a bias" in reasons["net.py:Net+width=7+bias=True"]


def test_a_variant_that_does_not_run_has_its_reason(sweep: Sweep) -> None:
    found = sweep("net.py:Net", "width=8,9", "act=*")
    reasons = [one["reason"] for one in found["variants"]]
    assert reasons[:3] == [None] * 3
    assert reasons[3].startswith("it does not run:")
    assert "nine and GELU" in reasons[3]
    assert found["fitting"] == 3


def test_a_factory_that_needs_an_argument_is_varied_over_it(sweep: Sweep) -> None:
    found = sweep("net.py:build", "depth=1..3")
    references = [one["reference"] for one in found["variants"]]
    assert references == [f"net.py:build+depth={depth}" for depth in (1, 2, 3)]
    assert [one["metrics"]["params"] for one in found["variants"]] == [16, 36, 56]


def test_an_argument_that_is_a_switch_by_default_has_two_values(sweep: Sweep) -> None:
    found = sweep("net.py:switched", "wide=*")
    assert [one["axes"]["wide"] for one in found["variants"]] == [False, True]
    assert [one["metrics"]["params"] for one in found["variants"]] == [16, 32]


def test_an_argument_that_goes_into_the_rest_is_varied(sweep: Sweep) -> None:
    found = sweep("net.py:build+depth=1", "note=1,2")
    assert [one["metrics"]["params"] for one in found["variants"]] == [16, 16]


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ("widht=3,4", ["no argument of Net named 'widht'", "did you mean 'width'?"]),
        ("act=RELU", ["no value of act named 'RELU'", "did you mean 'ReLU'?"]),
        ("norm=gn,BACH", ["no value of norm named 'BACH'", "did you mean 'BATCH'?"]),
        ("width=*", ["width has no list of choices", "write a range as width=6..8"]),
    ],
)
def test_an_unknown_axis_or_value_is_refused_with_the_nearest(
    ucseg: Run, vary: str, words: list[str]
) -> None:
    done = ucseg("sweep", "net.py:Net", "--vary", vary)
    assert (done.returncode, done.stdout) == (2, "")
    for word in words:
        assert word in done.stderr
    assert f"--> --vary {vary}" in done.stderr
    assert "space:" not in done.stderr


def test_a_space_of_the_configuration_may_be_of_any_design(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "ucseg.toml").write_text(
        '[spaces.widths]\nfrom = "net.py:Net"\nwidth = [6, 8]\nact = "*"\ndepths = [[1], [1, 2]]\n'
    )
    done = ucseg("sweep", "widths", "--size", "8", "-f", "json")
    found = json.loads(done.stdout)
    assert found["space"]["axes"] == {
        "width": [6, 8],
        "act": ["ReLU", "GELU"],
        "depths": [[1], [1, 2]],
    }
    assert found["variants"][1]["reference"] == "net.py:Net"
