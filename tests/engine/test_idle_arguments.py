"""An argument that changes nothing is noticed, and no other is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ucseg_cli.engine import trace_model
from ucseg_cli.engine.trace_model import trace_source
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references import FromFile, FromLibrary
from ucseg_cli.references.sources import Argument

CODE = """
import time
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8, act="relu", frozen=False, unused=None, **more):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, dilation=more.get("dilation", 1))
        self.act = {"relu": nn.ReLU, "relu6": nn.ReLU6}[act]()
        self.conv.requires_grad_(not frozen)

    def forward(self, x):
        return self.act(self.conv(x))

class Needs(Net):
    def __init__(self, width):
        super().__init__(8)

class TwoInputs(Net):
    def forward(self, x, y):
        return x + y

class Slow(Net):
    def __init__(self, *arguments, **more):
        time.sleep(2.1)
        super().__init__(*arguments, **more)
"""


def idle(folder: Path, name: str, **arguments: str) -> tuple[str, ...]:
    (folder / "net.py").write_text(CODE)
    typed = tuple(Argument(name, text) for name, text in arguments.items())
    return trace_source(FromFile(str(folder / "net.py"), name, typed), Conditions(Size(8, 8))).idle


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("Net", {}, ()),
        ("Net", {"unused": "3"}, ("unused",)),
        ("Net", {"no_such": "3"}, ("no_such",)),  # swallowed by **more
        ("Net", {"unused": "3", "width": "12", "no_such": "4"}, ("unused", "no_such")),
        ("Net", {"width": "12"}, ()),
        ("Net", {"act": "relu6"}, ()),
        ("Net", {"frozen": "true"}, ()),
        ("Net", {"dilation": "2"}, ()),
        ("Net", {"width": "8", "act": "relu", "unused": "none"}, ()),  # as by default
        ("Needs", {"width": "3"}, ()),  # it cannot be built without
        ("TwoInputs", {"unused": "3"}, ("unused",)),  # which does not run
        ("Slow", {"unused": "3"}, ()),  # it is not worth building again
    ],
)
def test_an_argument_is_idle_if_the_trace_is_the_same_without(
    tmp_path: Path, name: str, arguments: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert idle(tmp_path, name, **arguments) == expected


@pytest.mark.parametrize(
    ("network", "argument", "expected"),
    [
        ("lraspp_mobilenet_v3_large", Argument("inter_channels", "64"), ("inter_channels",)),
        ("fcn_resnet50", Argument("aux_loss", "true"), ()),
        ("resnet18", Argument("num_classes", "7"), ()),
    ],
)
def test_a_network_of_torchvision_may_ignore_an_argument_too(
    network: str,
    argument: Argument,
    expected: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trace_model, "FAST", 60.0)  # whatever else this machine does
    trace = trace_source(FromLibrary("torchvision", network, (argument,)), Conditions(Size(32, 32)))
    assert trace.idle == expected
