from __future__ import annotations

import re
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
from ucseg_cli.references.designs import between, changed_arguments, is_same_design
from ucseg_cli.references.grammar import at_other_revision, split_revision
from ucseg_cli.references.variants import CATALOGUE, Variant


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
        ("runs/3@night", FromCheckpoint("runs/3@night")),
        ("run@3.pt", FromCheckpoint("run@3.pt")),
        ("run@3/net.py:Net", FromFile("run@3/net.py", "Net")),
        ("net.py:Net@main", FromFile("net.py", "Net", (), "main")),
        ("net.py:Net@HEAD~3", FromFile("net.py", "Net", (), "HEAD~3")),
        ("net.py:make.small@feature/x", FromFile("net.py", "make.small", (), "feature/x")),
        ("run@3/net.py:Net@v1.0+2", FromFile("run@3/net.py", "Net", (), "v1.0+2")),
        ("net.py:Net@main@{1}", FromFile("net.py", "Net", (), "main@{1}")),
        ("net.py:Net@:/fix: this", FromFile("net.py", "Net", (), ":/fix: this")),
        ("net.py:Net@a.pt", FromFile("net.py", "Net", (), "a.pt")),
        ("a.b:Net@1f+w=2", FromModule("a.b", "Net", (Argument("w", "2"),), "1f")),
        (r"C:\nets\net.py:Net@main", FromFile(r"C:\nets\net.py", "Net", (), "main")),
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


def test_a_value_in_quotes_may_hold_what_looks_like_another_argument() -> None:
    text = """net.py:Net@main+name="a+width=7"+other='b+c=1'+width=9+open="x+y=2"""
    arguments = (
        Argument("name", '"a+width=7"'),
        Argument("other", "'b+c=1'"),
        Argument("width", "9"),
        Argument("open", '"x'),
        Argument("y", "2"),
    )
    assert parse_reference(text).model == FromFile("net.py", "Net", arguments, "main")
    assert Argument.of("name", "a+width=7") == Argument("name", "'a+width=7'")
    assert with_axes(text, {"width": "3"}) == text.replace("width=9", "width=3")


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


def test_a_path_with_a_sign_of_a_revision_that_is_there_stays_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt@main").touch()
    assert split_revision("w.pt@main") == ("w.pt@main", None)
    assert split_revision("w.pt@other") == ("w.pt", "other")


def test_a_name_at_a_revision_is_what_the_configuration_had_there() -> None:
    there = {"tiny": CATALOGUE["v2"]._replace(classes=5), **CATALOGUE}
    asked = []

    def named_at(revision: str, _: object) -> dict[str, Variant]:
        asked.append(revision)
        return there

    reference = parse_reference("tiny@HEAD~2+backbone=10", named_at=named_at)
    assert reference.name == "tiny@HEAD~2+backbone=10"
    assert reference.variant == there["tiny"]._replace(backbone=10)
    assert asked == ["HEAD~2"]
    with pytest.raises(UsageError, match="'new' is new since main"):
        parse_reference("new@main", {**there, "new": there["tiny"]}, named_at=named_at)
    with pytest.raises(UnknownNameError, match="no variant named 'tinny'"):
        parse_reference("tinny@main", there, named_at=named_at)


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("v2@main+backbone=10", "v2 is built into ucseg", "net.py:Net@main"),
        ("torchvision:resnet18@main", "is torchvision's", "write torchvision:resnet18"),
        ("w.pt@main", "is a checkpoint", "git show main:./w.pt > other.pt"),
        ("runs/w.pt@main", "is a checkpoint", "git show main:./runs/w.pt"),
        ("tiny@main", "there is no configuration", "name a file"),
    ],
)
def test_what_no_revision_has_is_refused_with_what_to_type(text: str, what: str, fix: str) -> None:
    with pytest.raises(UsageError, match=re.escape(what)) as caught:
        parse_reference(text)
    assert fix in (caught.value.help or "")
    assert caught.value.where == text


def test_a_model_is_named_at_another_revision_once() -> None:
    for text, at in (
        ("net.py:Net", "net.py:Net@main"),
        ("net.py:Net+width=3+a=b", "net.py:Net@main+width=3+a=b"),
        ("tiny+classes=3", "tiny@main+classes=3"),
        ("net.py:Net+width=a@b", "net.py:Net@main+width=a@b"),
    ):
        assert at_other_revision(text, "main", "--since") == at
    with pytest.raises(UsageError, match="is at a revision already"):
        at_other_revision("net.py:Net@v1", "main", "--since")


def test_the_design_is_one_at_every_revision_which_is_an_axis_beside_others() -> None:
    old, new = (parse_reference(text).model for text in ("n.py:N@v1+a=1", "n.py:N+a=2"))
    assert is_same_design(old, new)
    assert is_same_design(parse_reference("n:N@v1").model, parse_reference("n:N@v2").model)
    assert not is_same_design(parse_reference("n:N@v1").model, parse_reference("n:M@v1").model)
    assert changed_arguments(old, new) == ["revision", "a"]
    assert {str(between(old, new, {name})) for name in ("revision", "a")} == {"n.py:N", "n.py:N@v1"}
    assert between(old, new, {"revision", "a"}) == new
    # an argument of that name leaves no axis for the revision, and alone it is the whole change
    assert (
        changed_arguments(*(parse_reference(f"n.py:N{text}").model for text in ("@v1", ""))) == []
    )
    clash = [parse_reference(f"n.py:N{text}").model for text in ("@v1+revision=1", "+revision=2")]
    assert changed_arguments(*clash) == ["revision"]
    assert str(between(clash[0], clash[1], {"revision"})) == "n.py:N@v1"
