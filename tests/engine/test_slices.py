"""A slice of a variant, made of its parts, agrees with the whole trace about its module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ucseg_cli.analysis.geometry.receptive_field import receptive_fields
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.analysis.space.assembled import OutcomeFigures
from ucseg_cli.analysis.space.benefits import BENEFITS, figure_of
from ucseg_cli.analysis.space.geometries import Geometries
from ucseg_cli.analysis.space.slices import Slices
from ucseg_cli.engine.parts.record_space import SpaceRecorder
from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.facts.parts import Assembled
from ucseg_cli.facts.trace import Tap, Trace
from ucseg_cli.references import Argument, FromFile, FromLibrary
from ucseg_cli.references.designs import Model
from ucseg_cli.references.variants import CATALOGUE

AT_64 = Conditions(Size(64, 64))
DESIGNS = """
import torch
import torch.nn.functional as F
from torch import nn

def conv(stride=1, rate=1):
    return nn.Conv2d(4, 4, 3, stride, padding=rate, dilation=rate)

class Adds(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = conv(rate=2)

    def forward(self, x):
        return x.add_(self.conv(x))

class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act = conv(), nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.act(self.conv(x))
        return y[:, :2], y

class Adapts(nn.Module):
    def forward(self, x):
        if not hasattr(self, "late"):
            self.late = []
        return {"sum": x + 1, "many": [x * 2, None]}

class Net(nn.Module):
    def __init__(self, way="plain"):
        super().__init__()
        self.way, self.stem, self.low, self.high = way, nn.Conv2d(3, 4, 3, 2, 1), conv(2), conv(2)
        self.adds, self.cut, self.adapts, self.never = Adds(), Cut(), Adapts(), conv()

    def forward(self, image, mask=None):
        x = self.stem(image)
        low = self.low(x)
        high = self.high(low)
        if self.way == "late":
            low += F.interpolate(high, size=low.shape[-2:])
        elif self.way == "view":
            low[:, ::2].mul_(F.adaptive_avg_pool2d(self.cut(high)[0], 1))
        elif self.way == "nested":
            high = self.adds(high)
            high = self.adds(high) + high
        elif self.way == "cut":
            part, whole = self.cut(low)
            part.add_(self.adds.conv(low)[:, 2:])
            high = whole
        elif self.way == "flat":
            high.squeeze_(0).unsqueeze_(0).add_(1)
        elif self.way == "made":
            high = nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2)).to("meta")(high)
        elif self.way == "weight":
            high = high * self.cut.act(self.low.weight.abs())[0, :, :1, :1]
        elif self.way == "nests":
            made = self.adapts(high)
            high = made["sum"] + made["many"][0]
        if mask is not None:
            high = high + F.interpolate(mask, size=high.shape[-2:])
        return high
"""
PLACES = """
import torch
import torch.nn.functional as F
from torch import nn

class Places(nn.Module):
    def __init__(self, width=8, way="conv"):
        super().__init__()
        self.way, self.stem = way, nn.Conv2d(3, width, 3, 2, 1)
        self.one, self.norm = nn.Conv2d(1, 1, 3, 2, 1), nn.LayerNorm(width)
        self.wide = nn.Conv2d(width, width, 3, padding=2, dilation=2, groups=width)

    def forward(self, image):
        x = self.stem(image)
        if self.way == "rows":
            return self.one(x.flatten(2).unsqueeze(1))
        if self.way == "swapped":
            return self.one(x.transpose(1, 2)[:, :1])
        if self.way == "adapted":
            return self.wide(F.adaptive_avg_pool2d(x, (x.shape[1], 8)))
        if self.way == "last":
            x = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.way == "split":
            x = torch.cat([F.avg_pool2d(half, 2) for half in x.chunk(2, 1)], 1)
        if self.way == "shuffled":
            x = F.pixel_shuffle(torch.cat([x, x, x, x], 1), 2)
        return self.wide(x)
"""
WAYS = ("plain", "late", "view", "nested", "cut", "flat", "made", "weight", "nests")


def of_module(trace: Trace, path: str) -> Any:
    """All that benefits ask about the maps that a module returns."""
    taps = [Tap(path, path)]
    fields = receptive_fields(trace, taps)
    seen = [(field.stride, field.size, field.live_size, field.unknown) for field in fields]
    return seen, [shape[2:] for shape in tap_shapes(trace, taps) if shape.shape]


def differences(models: list[Model], conditions: Conditions = AT_64, every: int = 1) -> list[str]:
    """The modules about which a slice and the whole disagree; *every* leaves out some."""
    recorder, found = SpaceRecorder([conditions], wired=True), []
    slices = Slices(recorder.book)
    for model, (outcome,) in zip(models, recorder.record(models), strict=True):
        assert isinstance(outcome, Assembled)
        whole = Tracer().trace(model, conditions)  # type: ignore[arg-type]
        for path in list(whole.by_path)[::every]:
            part = slices.trace(slices.slice_to(outcome, [path]))
            if of_module(part, path) != of_module(whole, path) and whole.by_path[path].calls:
                found.append(f"{path} of {model}")
    return found


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> FromFile:
    path = tmp_path_factory.mktemp("slices") / "net.py"
    path.write_text(DESIGNS, encoding="utf-8")
    return FromFile(str(path), "Net")


def test_a_slice_agrees_with_the_whole_trace_about_every_module(net: FromFile) -> None:
    models: list[Model] = [net._replace(arguments=(Argument("way", way),)) for way in WAYS]
    assert differences([*models, *models]) == []


def test_a_slice_of_two_inputs_too(net: FromFile) -> None:
    given = Tensors((Input((1, 3, 64, 64)), Input((1, 4, 64, 64), name="mask")))
    models: list[Model] = [net._replace(arguments=(Argument("way", way),)) for way in WAYS[:3]]
    assert differences(models, Conditions(given=given)) == []


def test_a_slice_of_the_family_and_of_a_library_too() -> None:
    assert differences([CATALOGUE["v1"], CATALOGUE["v2"]._replace(backbone=4)], every=9) == []
    assert differences([FromLibrary("torchvision", "shufflenet_v2_x0_5")], every=29) == []


@pytest.mark.parametrize("way", ["conv", "rows", "swapped", "adapted", "last", "split", "shuffled"])
def test_variants_of_any_width_have_the_figures_of_each_alone(tmp_path: Path, way: str) -> None:
    path = tmp_path / "places.py"
    path.write_text(PLACES, encoding="utf-8")
    source, widths = FromFile(str(path), "Places", (Argument("way", way),)), (8, 16)
    models = [
        source._replace(arguments=(*source.arguments, Argument("width", str(width))))
        for width in widths
    ]
    recorder = SpaceRecorder([AT_64], wired=True)
    figures = OutcomeFigures(recorder.book)
    for model, (outcome,) in zip(models, recorder.record(models), strict=True):
        alone = Tracer().trace(model, AT_64)
        assert isinstance(outcome, Assembled)
        for metric in (*BENEFITS, "output-stride:stem", "output-stride:absent"):
            assert figures.figure(outcome, metric) == figure_of(alone, metric)


def test_a_slice_leaves_out_what_does_not_lead_to_its_module() -> None:
    recorder = SpaceRecorder([AT_64], wired=True)
    slices = Slices(recorder.book)
    v2 = CATALOGUE["v2"]
    models = [v2, v2._replace(head="before-upsample"), v2._replace(rates=(3,))]
    models.append(v2._replace(aspp_channels=32))
    variants = [one for (one,) in recorder.record(models) if isinstance(one, Assembled)]
    at_aspp = [slices.slice_to(one, ["aspp.branches.0"]) for one in variants]
    assert at_aspp[0] == at_aspp[1] != at_aspp[2]
    wider = slices.slice_to(variants[3], ["aspp.branches.0"])
    of_slice = Geometries(recorder.book).of_slice
    assert wider != at_aspp[0]
    assert of_slice(wider) == of_slice(at_aspp[0]) != of_slice(at_aspp[2])
    paths = slices.trace(at_aspp[0]).by_path
    assert "features.0" in paths
    assert not {"decoder", "classifier", "mid_conv"} & paths.keys()
