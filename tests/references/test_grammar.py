from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.references import (
    Argument,
    FromCheckpoint,
    FromFile,
    FromLibrary,
    FromModule,
    Reference,
    Source,
    parse_reference,
    with_axes,
)
from ucseg_cli.references.variants import CATALOGUE


def test_a_variant_is_named_with_its_changes_and_the_name_is_kept_as_typed() -> None:
    reference = parse_reference(" v2+backbone=10+rates=6,12 ")
    assert reference.name == "v2+backbone=10+rates=6,12"
    assert (
        reference.variant == reference.model == CATALOGUE["v2"]._replace(backbone=10, rates=(6, 12))
    )


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("net.py:Net", FromFile("net.py", "Net")),
        ("path/to/net.py:Net", FromFile("path/to/net.py", "Net")),
        ("/abs/net.py:make.small", FromFile("/abs/net.py", "make.small")),
        (r"C:\nets\net.py:Net", FromFile(r"C:\nets\net.py", "Net")),
        ("c++/net.py:Net", FromFile("c++/net.py", "Net")),
        ("my net.py:Net", FromFile("my net.py", "Net")),
        ("net.py:Été", FromFile("net.py", "Été")),
        ("сети.модель:Сеть", FromModule("сети.модель", "Сеть")),
        ("net.py:Net+ширина=3", FromFile("net.py", "Net", (Argument("ширина", "3"),))),
        ("net:Net", FromModule("net", "Net")),
        ("package.module:Net", FromModule("package.module", "Net")),
        ("torchvision:resnet50", FromLibrary("torchvision", "resnet50")),
        ("torchvision.models:resnet50", FromModule("torchvision.models", "resnet50")),
        ("weights.pt", FromCheckpoint("weights.pt")),
        ("runs/best.PTH", FromCheckpoint("runs/best.PTH")),
        ("model.safetensors", FromCheckpoint("model.safetensors")),
        ("runs/last", FromCheckpoint("runs/last")),
        ("model.onnx", FromCheckpoint("model.onnx")),
        ("model.H5", FromCheckpoint("model.H5")),
        ("model.ckpt.index", FromCheckpoint("model.ckpt.index")),
        ("weights.pt+key=model.ema", FromCheckpoint("weights.pt", "model.ema")),
    ],
)
def test_a_source_differs_from_a_variant_by_how_it_is_written(text: str, source: Source) -> None:
    reference = parse_reference(text)
    assert (reference.name, reference.model, reference.variant) == (text, source, None)


def test_arguments_come_after_plus_signs_and_the_later_of_two_for_one_name_wins() -> None:
    source = parse_reference("net.py:Net+width=3+name=a+b+c=d=e+width=4").model
    assert source == FromFile(
        "net.py", "Net", (Argument("width", "4"), Argument("name", "a+b"), Argument("c", "d=e"))
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("21", 21),
        ("1e-3", 1e-3),
        ("(6, 12)", (6, 12)),
        ("[1,2]", [1, 2]),
        ("None", None),
        ("none", None),
        ("True", True),
        ("false", False),
        ("FALSE", False),
        ("'21'", "21"),
        ("relu", "relu"),
        ("", ""),
        ("os.system('x')", "os.system('x')"),
        ("(" * 500, "(" * 500),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_an_argument_is_read_as_a_python_literal_and_else_as_text(text: str, value: object) -> None:
    read = Argument("x", text).value
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("net.py", "does not say which class is meant"),
        ("net.py:", "does not say which class of net.py is meant"),
        (":Net", "does not say what it names"),
        ("net.py:Net()", "does not say what it names"),
        ("2net:Net", "is neither a Python file nor a module"),
        ("torchvision:", "does not say which class of torchvision is meant"),
    ],
)
def test_text_that_is_not_a_reference_is_refused_with_a_way_to_write_one(
    text: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        parse_reference(text)
    assert caught.value.help


def test_a_checkpoint_takes_a_key_and_nothing_else() -> None:
    with pytest.raises(UnknownNameError, match="no argument of a checkpoint named 'kye'") as caught:
        parse_reference("weights.pt+kye=model")
    assert caught.value.help == "did you mean 'key'?"


@given(st.text(max_size=20) | st.text(alphabet="v2net.py:+=/torchvis", max_size=20))
def test_any_text_is_either_a_reference_or_a_usage_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except UsageError:
        return
    assert reference.name == text.strip()


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("net.py:Net+width=3", FromFile("{}/net.py", "Net", (Argument("width", "3"),))),
        ("runs/best.pt+key=ema", FromCheckpoint("{}/runs/best.pt", "ema")),
    ],
)
def test_a_file_is_found_beside_the_configuration_and_named_as_written(
    tmp_path: Path, text: str, source: FromFile | FromCheckpoint
) -> None:
    folder = tmp_path / "project"
    path = Path(source.path.format(folder))
    path.parent.mkdir(parents=True)
    path.touch()
    reference = parse_reference(text, beside=folder)
    assert reference == Reference(text, source._replace(path=str(path)))


def test_a_file_in_the_working_directory_comes_before_one_beside_the_configuration(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for directory in (tmp_path, folder):
        (directory / "net.py").touch()
    assert parse_reference("net.py:Net", beside=folder).model == FromFile("net.py", "Net")


@pytest.mark.parametrize("text", ["net.py:Net", "weights.pt", "net:Net", "torchvision:resnet50"])
def test_a_source_without_a_file_beside_the_configuration_stays_as_written(
    tmp_path: Path, text: str
) -> None:
    assert parse_reference(text, beside=tmp_path) == parse_reference(text)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_there_under_a_bare_name_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("last").mkdir() if kind == "folder" else Path("last").touch()
    with pytest.raises(UsageError, match="'last' is not a variant") as error:
        parse_reference("last")
    assert error.value.help == "to name it as a checkpoint, write ./last"


def test_a_name_longer_than_any_file_s_is_an_unknown_variant() -> None:
    with pytest.raises(UsageError, match="no variant named"):
        parse_reference("x" * 5000)


@pytest.mark.parametrize(
    ("reference", "axes", "expected"),
    [
        ("v2", {}, "v2"),
        ("v2", {"rates": "6"}, "v2+rates=6"),
        ("v2+backbone=10", {"rates": "6"}, "v2+backbone=10+rates=6"),
        ("v2+backbone=10+rates=6", {"backbone": "9"}, "v2+backbone=9+rates=6"),
        ("v2+rates=6+rates=12", {"conv": "regular"}, "v2+rates=12+conv=regular"),
    ],
)
def test_axes_of_a_reference_are_set_and_none_is_written_twice(
    reference: str, axes: dict[str, str], expected: str
) -> None:
    assert with_axes(reference, axes) == expected


@pytest.mark.parametrize(
    ("text", "what", "code"),
    [
        ("nb.ipynb", "nb.ipynb is a notebook", "nb.py:NAME"),
        ("nb.ipynb:Net", "nb.ipynb is a notebook", "nb.py:Net"),
        ("a/nb.ipynb:", "a/nb.ipynb is a notebook", "a/nb.py:NAME"),
        ("nb.IPYNB+width=3", "nb.IPYNB is a notebook", "nb.py:NAME"),
        ("NET.PY", "NET.PY does not end with .py", "NET.py:NAME"),
        ("./Net.Py:Net+width=3", "./Net.Py does not end with .py", "./Net.py:Net"),
        ("net.pyw:Net", "net.pyw does not end with .py", "net.py:Net"),
        ("net.pyi", "net.pyi does not end with .py", "net.py:NAME"),
        ("C:\\net.pyc:Net", "C:\\net.pyc does not end with .py", "C:\\net.py:Net"),
        ("a/net:Net", "a/net does not end with .py", "net.py:Net"),
        ("a/net.txt:Net", "a/net.txt does not end with .py", "net.py:Net"),
    ],
)
def test_a_file_that_is_not_imported_is_refused_with_words_that_are_accepted(
    text: str, what: str, code: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert caught.value.what == what
    assert (caught.value.help or "").endswith(f" {code}")
    assert isinstance(parse_reference(code).model, FromFile)


@pytest.mark.parametrize("text", ["a/weights.pt:ema", "./W.SAFETENSORS:ema", "a/run.ckpt:ema"])
def test_a_class_of_a_checkpoint_is_refused_with_both_ways_to_name_a_checkpoint(text: str) -> None:
    with pytest.raises(UsageError, match="is a checkpoint") as caught:
        parse_reference(text)
    path = text.partition(":")[0]
    assert f"write {path}, or {path}+key=ema" in (caught.value.help or "")
    assert parse_reference(f"{path}+key=ema").model == FromCheckpoint(path, "ema")


def test_a_file_with_dots_is_not_taken_for_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(parse_reference("net.txt:Net").model, FromModule)
    Path("net.txt").touch()
    with pytest.raises(UsageError, match=r"net\.txt does not end with \.py"):
        parse_reference("net.txt:Net")
