"""``ucseg list SOURCE``: what a file defines, and the axes of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run

NET = '''
from enum import Enum
from typing import Literal, Optional

from torch import nn
from torch.nn import Conv2d

class Norm(Enum):
    BATCH = "bn"
    NONE = None

class Net(nn.Module):
    """A small network.

    More words.
    """
    def __init__(self, width, kind: Literal["a", "b"] = "a", deep: "bool" = False, *,
                 norm: Norm = Norm.NONE, act: type = nn.ReLU, rates: tuple[int, ...] = (6, 12),
                 alpha: Optional[float] = None, **rest):
        super().__init__()

class Plain(nn.Sequential):
    pass

def build(depth: int = 2, hook=print):
    return nn.Identity()

def _helper():
    return None

tiny = nn.Identity()
LIMIT = 3
'''


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def listed(ucseg: Run, source: str) -> list[dict[str, Any]]:
    answer = ucseg("list", source, "-f", "json")
    assert answer.returncode == 0, answer.stderr
    designs: list[dict[str, Any]] = json.loads(answer.stdout)["designs"]
    return designs


@pytest.mark.torch
@pytest.mark.usefixtures("source")
def test_a_file_lists_its_own_classes_functions_and_models(ucseg: Run) -> None:
    found = {design["name"]: design["kind"] for design in listed(ucseg, "net.py")}
    assert found == {"Net": "class", "Plain": "class", "build": "function", "tiny": "model"}
    screen = ucseg("list", "net.py").stdout
    assert "A small network." in screen
    axes = "width, kind=a, deep=False, norm=NONE, act=ReLU, rates=6,12, alpha=None"
    assert axes in ucseg("list", "net.py", "-f", "markdown").stdout
    assert screen.splitlines()[-1].startswith("net.py defines 4 models. `ucseg list net.py:Net`")


@pytest.mark.torch
@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("name", ["net.py:Net", "net:Net", "./net.py:Net"])
def test_a_class_lists_its_axes_with_defaults_and_choices(ucseg: Run, name: str) -> None:
    (design,) = listed(ucseg, name)
    axes = {axis.pop("axis"): axis for axis in design["axes"]}
    none: list[str] = []
    assert axes == {
        "width": {"accepts": "", "required": True, "default": None, "choices": none},
        "kind": {"accepts": "a or b", "required": False, "default": "a", "choices": ["a", "b"]},
        "deep": {
            "accepts": "False or True",
            "required": False,
            "default": False,
            "choices": ["False", "True"],
        },
        "norm": {
            "accepts": "BATCH or NONE",
            "required": False,
            "default": "NONE",
            "choices": ["BATCH", "NONE"],
        },
        "act": {"accepts": "type", "required": False, "default": "ReLU", "choices": none},
        "rates": {
            "accepts": "tuple[int, ...]",
            "required": False,
            "default": [6, 12],
            "choices": none,
        },
        "alpha": {
            "accepts": "Optional[float]",
            "required": False,
            "default": None,
            "choices": none,
        },
    }


def test_a_variant_lists_the_axes_of_the_family(ucseg: Run) -> None:
    (design,) = listed(ucseg, "v2+low_skip=16")
    axes = {axis["axis"]: axis["default"] for axis in design["axes"]}
    assert (len(axes), axes["low_skip"], axes["rates"]) == (12, 16, [6, 12, 18])


@pytest.mark.torch
def test_a_network_of_a_library_lists_what_its_builder_and_class_take(ucseg: Run) -> None:
    (design,) = listed(ucseg, "torchvision:fcn_resnet50")
    axes = {axis["axis"]: axis for axis in design["axes"]}
    assert axes["num_classes"]["default"] is None
    # of a file that is never read, unless a user asks for its shape
    assert axes["weights_backbone"]["default"] is None
    assert not any(axis["required"] for axis in axes.values())


@pytest.mark.torch
@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nett.py", "did you mean 'net.py'?"),
        ("net.py:Nett", "did you mean 'Net'?"),
        ("no.such.module", "no module named 'no'"),
        ("v4", "`ucseg list` shows them all"),
        ("./w.pt", "w.pt is a checkpoint, which has no axes"),
    ],
)
def test_what_is_not_there_is_refused(ucseg: Run, name: str, message: str) -> None:
    answer = ucseg("list", name)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert message in answer.stderr
