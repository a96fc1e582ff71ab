"""``probe`` on a user's own network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Run, Tables

pytestmark = pytest.mark.torch


@pytest.fixture
def net(tmp_path: Path) -> str:
    """A user's own network, by its reference."""
    (tmp_path / "net.py").write_text(
        """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleList([nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)])
        self.aux = nn.Conv2d(16, 2, 1)
        self.unfold = nn.Unfold(3)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))

    def forward(self, x):
        for stage in self.encoder:
            x = stage(x)
        self.unfold(x)
        return self.head(x)
"""
    )
    return "net.py:Net"


def test_without_a_tap_a_user_s_own_network_has_its_top_level_modules(
    ucseg: Run, read_tables: Tables, net: str
) -> None:
    answer = ucseg("probe", net, "-s", "64", "-f", "markdown").stdout
    assert read_tables(answer)["Taps at 64"] == [
        ["tap", "shape", "stride", "type"],
        ["encoder.0", "1×8×32×32", "2", "Conv2d"],
        ["encoder.1", "1×16×16×16", "4", "Conv2d"],
        ["unfold", "1×144×196", "–", "Unfold"],
        ["head", "1×5", "–", "Sequential"],
    ]
    assert [row[0] for row in read_tables(answer)["Receptive fields at 64"]] == [
        "map",
        "encoder.0",
        "encoder.1",
    ]
    assert answer.rstrip().endswith(
        "At 64 pixels the encoder.1 tap of net.py:Net is 16×16×16, stride 4."
    )


def test_a_tap_that_never_ran_is_shown_as_missing_and_named(ucseg: Run, net: str) -> None:
    answer = ucseg("probe", net, "-s", "64", "--tap", "aux", "--tap", "encoder.1")
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert ["aux", *"––––", "Conv2d"] in rows
    assert "On this input aux never ran." in answer.stdout
    (_, missing) = json.loads(
        ucseg("probe", net, "-t", "aux", "-t", "encoder.1", "-f", "json").stdout
    )["models"][0]["taps"]
    assert missing == {
        **dict.fromkeys(("channels", "height", "width", "stride", "shape", "dtype", "strides")),
        **dict.fromkeys(("receptive_field", "receptive_field_at_size")),
        "name": "aux",
        "module": "aux",
        "global_context": [],
    }
    alone = ucseg("probe", net, "-s", "64", "--tap", "aux").stdout
    assert (
        alone.splitlines()[-1]
        == "At 64 pixels none of the taps that were asked for ran in net.py:Net."
    )


def test_models_that_share_no_name_stand_below_one_another(
    ucseg: Run, read_tables: Tables, net: str
) -> None:
    tables = read_tables(ucseg("probe", "v2", net, "-s", "64", "-f", "markdown").stdout)
    assert [title for title in tables if title.startswith("Taps")] == [
        "Taps of v2 at 64",
        "Taps of net.py:Net at 64",
    ]
    assert [title for title in tables if "fields" in title] == [
        "Receptive fields of v2 at 64",
        "Receptive fields of net.py:Net at 64",
    ]


def test_compare_and_show_have_the_same_taps(ucseg: Run, read_tables: Tables, net: str) -> None:
    models = ("torchvision:resnet18", "torchvision:resnet34")
    shown = read_tables(ucseg("show", net, "-s", "64", "-f", "markdown").stdout)["Taps"]
    assert shown[:2] == [
        ["tap", "shape", "stride", "module"],
        ["encoder.0", "1×8×32×32", "2", "encoder.0"],
    ]
    assert ", 10 taps. " in ucseg("compare", *models, "-s", "64").stdout
    assert "Taps" not in read_tables(
        ucseg("compare", "v2", net, "-s", "64", "-f", "markdown").stdout
    ), "none in common"


def test_a_pattern_that_is_too_long_and_an_operator_that_is_not_followed_are_two_reasons(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "two.py").write_text(
        """
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.near = nn.Conv2d(3, 2, 3)
        self.long = nn.Upsample((4_999, 7), mode="bilinear")
        self.turned = nn.Upsample(scale_factor=2, mode="bicubic")

    def forward(self, x):
        return self.long(self.near(x)).mean() + self.turned(self.near(x)).mean()
"""
    )
    screen = " ".join(ucseg("probe", "two.py:Two", "-s", "32").stdout.split())
    assert "behind resizings whose pattern is longer than 4,096 positions: long." in screen
    assert "behind an operator that is not followed here: turned." in screen
