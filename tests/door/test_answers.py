"""An answer in Python is that of the command line, in every form."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ucseg_cli as ucseg
from support.fixture_types import Run
from ucseg_cli.door.answer import Answer
from ucseg_cli.door.values import as_text
from ucseg_cli.errors import UcsegError, UnknownNameError, UsageError
from ucseg_cli.report.document import Column, Report, Row, Table

ASKED: dict[str, tuple[Callable[[], Answer], list[str]]] = {
    "show": (lambda: ucseg.show("v2"), ["show", "v2"]),
    "params": (lambda: ucseg.params("v2", depth=1), ["params", "v2", "--depth", "1"]),
    "flops": (
        lambda: ucseg.flops("v2", size=(96, 64), convention="macs"),
        ["flops", "v2", "--size", "96x64", "--convention", "macs"],
    ),
    "memory": (
        lambda: ucseg.memory("v2", batch=2, dtype="float16"),
        ["memory", "v2", "--batch", "2", "--dtype", "float16"],
    ),
    "probe": (
        lambda: ucseg.probe("v1", "v2", size=[64, 96]),
        ["probe", "v1", "v2", "--size", "64", "--size", "96"],
    ),
    "reach": (lambda: ucseg.reach("v2", size=64), ["reach", "v2", "--size", "64"]),
    "compare": (lambda: ucseg.compare("v1", "v2", "v3"), ["compare", "v1", "v2", "v3"]),
    "lint": (lambda: ucseg.lint("v2", ignore="UC104"), ["lint", "v2", "--ignore", "UC104"]),
    "check": (
        lambda: ucseg.check("v2", max={"params": "650k", "macs": 10**9}),
        ["check", "v2", "--max", "params=650k", "--max", "macs=1000000000"],
    ),
    "sweep": (
        lambda: ucseg.sweep(
            "v2", vary={"backbone": range(10, 12), "rates": [(6, 12), (6, 12, 18)]}
        ),
        ["sweep", "v2", "--vary", "backbone=10..11", "--vary", "rates=6,12|6,12,18"],
    ),
    "shrink": (lambda: ucseg.shrink("v2"), ["shrink", "v2"]),
}
every_question = pytest.mark.parametrize("name", ASKED)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@every_question
def test_data_is_the_json_of_the_command(ucseg: Run, name: str) -> None:
    function, words = ASKED[name]
    assert function().data == json.loads(ucseg(*words, "--format", "json").stdout)


@every_question
def test_rows_are_the_csv_of_the_command(ucseg: Run, name: str) -> None:
    function, words = ASKED[name]
    printed = list(csv.DictReader(io.StringIO(ucseg(*words, "--format", "csv").stdout)))
    rows = function().rows()
    assert [list(row) for row in rows] == [list(row) for row in printed]
    for row, line in zip(rows, printed, strict=True):
        assert [key for key in row if not is_same(row[key], line[key])] == []


def is_same(value: Any, text: str) -> bool:
    if value is None:
        return text == ""
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, float):
        return float(text) == value
    if isinstance(value, tuple):
        return text in {"x".join(map(str, value)), "scalar"}
    return text.removeprefix("'") == str(value)


@every_question
def test_its_text_is_the_screen_without_colour(name: str) -> None:
    answer = ASKED[name][0]()
    assert "\x1b" not in str(answer)
    assert repr(answer) == str(answer).rstrip()
    assert " ".join(answer.summary.split()) in " ".join(str(answer).split())


def test_a_limit_that_is_exceeded_is_no_exception_but_is_not_ok() -> None:
    answer = ucseg.check("v2", max={"params": "600k"})
    assert not answer.ok
    (failure,) = answer.failures
    assert failure == "v2 has 645,245 parameters, 45,245 over its limit of 600,000."
    assert ucseg.check("v2", max={"params": "650k"}).ok
    assert ucseg.check("v2", max={"params": "650k"}).failures == []


@pytest.mark.parametrize(
    ("call", "note"),
    [
        (lambda: ucseg.show("v22"), "did you mean 'v2'?"),
        (lambda: ucseg.flops("v2", convention="fvcorr"), "did you mean 'fvcore'?"),  # type: ignore[arg-type]
        (lambda: ucseg.flops("v2", size="12y"), "--size"),
        (lambda: ucseg.params("v2", depth=0), "--depth"),
        (lambda: ucseg.sweep("v2", vary={"backbon": "8..9"}), "did you mean 'backbone'?"),
        (lambda: ucseg.check("v2", max={"parms": 3}), "did you mean 'params'?"),
        (lambda: ucseg.show(3), "give a module, or a reference as text"),  # type: ignore[arg-type]
    ],
)
def test_a_mistake_is_an_exception_with_all_that_the_command_line_says(
    call: Callable[[], Answer], note: str
) -> None:
    with pytest.raises(UcsegError) as caught:
        call()
    assert any(note in line for line in (str(caught.value), *caught.value.__notes__))


def test_the_configuration_of_the_project_holds_here_too(tmp_path: Path) -> None:
    text = '[tool.ucseg]\ndefault = "v3"\nsize = 64\nconvention = "macs"\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    data = ucseg.flops().data
    assert (data["model"], data["conditions"]["inputs"]) == ("v3", [[1, 3, 64, 64]])
    assert data["conditions"]["convention"] == "macs"


# Files


@pytest.mark.parametrize(
    ("ending", "begins"),
    [
        ("html", "<!doctype html>"),
        ("svg", "<svg "),
        ("md", "<!-- ucseg."),
        ("csv", "path,"),
        ("json", "{"),
        ("txt", "params v2\n"),
    ],
)
def test_an_answer_is_saved_in_the_format_of_the_ending(
    tmp_path: Path, ending: str, begins: str
) -> None:
    path = ucseg.params("v2").save(tmp_path / f"answer.{ending}")
    assert path.read_text("utf-8").startswith(begins)


def test_a_file_that_is_not_an_answer_is_not_lost(tmp_path: Path) -> None:
    answer, path = ucseg.params("v2"), tmp_path / "notes.md"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is not an answer of ucseg"):
        answer.save(path)
    assert path.read_text("utf-8") == "mine"
    answer.save(path, force=True)
    answer.save(path)  # now it is one


def test_an_ending_that_no_format_has_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        ucseg.params("v2").save(tmp_path / "a.htm")
    assert caught.value.help == "did you mean '.html'?"


# Notebooks


def test_a_notebook_shows_the_picture_and_keeps_its_own_style() -> None:
    html = ucseg.params("v2")._repr_html_()
    assert html.startswith('<div class="ucseg part">')
    assert 'class="icicle"' in html
    assert "<script" not in html
    assert not re.search(r"<(html|head|body)\b", html)


def test_two_answers_of_one_notebook_share_no_names() -> None:
    answer = ucseg.params("v2")
    one, other = (set(re.findall(r' id="([^"]+)"', answer._repr_html_())) for _ in range(2))
    assert one
    assert one.isdisjoint(other)


def test_a_hostile_name_is_text_in_a_notebook() -> None:
    name = '<img src=x onerror="alert(1)">\u202e\x1b[31m'
    table = Table("t", name, (Column("a", name),), (Row((name,)),), note=name)
    report = Report("ucseg.x", name, {name: name}, (table,), name, {}, notes=(name,))
    html = Answer(report)._repr_html_()
    assert "<img" not in html
    assert not {"\u202e", "\x1b"}.intersection(html)


# Values


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("size", 512, "512"),
        ("size", (384, 640), "384x640"),
        ("size", [64, (32, 48)], ["64", "32x48"]),
        ("vary", {"a": range(8, 13, 2)}, ["a=8..12/2"]),
        ("vary", {"a": [32, 48], "b": "*"}, ["a=32,48", "b=*"]),
        ("vary", {"rates": [(6, 12), (6, 12, 18)]}, ["rates=6,12|6,12,18"]),
        ("vary", "a=1..3", "a=1..3"),
        ("max", {"params": 10}, ["params=10"]),
        ("depth", 3, "3"),
        ("freeze", ("a.*", "b"), ["a.*", "b"]),
        ("train", True, True),
        ("top", None, None),
    ],
)
def test_values_are_the_texts_that_options_take(option: str, value: Any, text: Any) -> None:
    assert as_text(option, value) == text


def test_an_unknown_name_has_its_kind_of_error() -> None:
    with pytest.raises(UnknownNameError):
        ucseg.show("v22")
