"""Names and arguments of a user's own models that do not fit are refused with words that do."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from itertools import starmap
from pathlib import Path

import pytest

from ucseg_cli.engine.trace_model import trace_source
from ucseg_cli.errors import UsageError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references import Argument, FromFile

AT_8 = Conditions(Size(8, 8))

CODE = """
from functools import partial
from torch import nn

def conv(width): return nn.Conv2d(3, width, 3)
def fixed(width, /, depth=1): return nn.Sequential(*[conv(width)] * depth)
def loose(width=8, /, depth=1): return conv(width)
def every(*widths): return nn.Sequential(*map(conv, widths or [2]))
def named(width=4, /, **more): return conv(more.get("width", width))

class Net(nn.Conv2d):
    def __init__(self, width, /, *, bias=True): super().__init__(3, width, 3, bias=bias)

class Zoo:
    def method(self): return conv(2)
    @classmethod
    def small(cls): return conv(2)
    @staticmethod
    def large(): return conv(9)

class Empty: pass

ready = nn.Sequential(conv(3))
ready.head = nn.ReLU()
number = 1
"""

Refusal = Callable[..., UsageError]


@pytest.fixture
def refusal(tmp_path: Path) -> Refusal:
    """``refusal("Nett", width="3")``: the error for a name in a file, and for its arguments."""
    path = tmp_path / "net.py"
    path.write_text(CODE)

    def refusal(name: str, code: str = CODE, /, **arguments: str) -> UsageError:
        path.write_text(textwrap.dedent(code))
        source = FromFile(str(path), name, tuple(starmap(Argument, arguments.items())))
        with pytest.raises(UsageError) as caught:
            trace_source(source, AT_8)
        return caught.value

    return refusal


@pytest.mark.parametrize(
    ("name", "arguments", "by_position", "signature"),
    [
        ("fixed", {"width": "3"}, "width", "(width, /, depth=1)"),
        ("fixed", {"depth": "2"}, "width", "(width, /, depth=1)"),
        ("fixed", {}, "width", "(width, /, depth=1)"),
        ("loose", {"depth": "2", "width": "3"}, "width", "(width=8, /, depth=1)"),
        ("every", {"widths": "3"}, "widths", "(*widths)"),
        ("Net", {"bias": "False"}, "width", "(width, /, *, bias=True)"),
    ],
)
def test_an_argument_without_a_name_is_refused_with_the_signature(
    refusal: Refusal, name: str, arguments: dict[str, str], by_position: str, signature: str
) -> None:
    error = refusal(name, **arguments)
    assert error.what == (
        f"{name} takes {by_position} by position only, and +NAME=VALUE passes a name"
    )
    assert error.notes == (f"it is {name}{signature}",)
    assert error.help == f"write a function that returns {name}(…), and name that function"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("loose", {"depth": "2"}),
        ("every", {}),
        ("named", {"width": "3"}),
    ],
)
def test_what_needs_no_argument_by_position_is_built(
    tmp_path: Path, name: str, arguments: dict[str, str]
) -> None:
    (tmp_path / "net.py").write_text(CODE)
    given = tuple(starmap(Argument, arguments.items()))
    assert trace_source(FromFile(str(tmp_path / "net.py"), name, given), AT_8).failure is None


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Zoo.smal", "Zoo.small, Zoo.large"),
        ("ready.hed", "ready.0, ready.head"),
        ("lop", "conv, fixed, loose, every, named, Net, ready"),
    ],
)
def test_the_known_names_are_those_that_can_be_written(
    refusal: Refusal, name: str, known: str
) -> None:
    assert refusal(name).notes == (f"known: {known}",)


@pytest.mark.parametrize(
    ("name", "code", "within"),
    [
        ("Net", "", "{}"),
        ("Net", "x = 1", "{}"),
        ("Net", "from torch import nn\nfrom torchvision.models import resnet18", "{}"),
        ("Empty.a", CODE, "Empty"),
        (
            "Net.Inner.a",
            CODE.replace("class Net(nn.Conv2d):", "class Net:\n    class Inner: pass"),
            "Net.Inner",
        ),
    ],
)
def test_where_there_is_no_model_it_is_said_what_to_write(
    refusal: Refusal, tmp_path: Path, name: str, code: str, within: str
) -> None:
    error, path = refusal(name, code), tmp_path / "net.py"
    assert error.what == f"no model named '{name}'"
    (note,) = error.notes
    assert note == (
        f"{within.format(path)} has no class of torch.nn.Module and no function of its own"
    )
    assert (error.help or "").endswith(f"and name it as in {path}:Net")


def test_what_is_no_model_is_refused_with_what_to_write(refusal: Refusal) -> None:
    error = refusal("number")
    assert error.what == "number is not a class, function or model but int"
    assert "a function that returns a model" in (error.help or "")


def test_a_package_that_only_imports_its_classes_has_them_as_known(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "net.py").write_text(CODE)
    (package / "__init__.py").write_text("from .net import Net, conv\nfrom json import dumps")
    with pytest.raises(UsageError) as caught:
        trace_source(FromFile(str(package / "__init__.py"), "Nett"), AT_8)
    assert caught.value.notes == ("known: Net, conv",)
