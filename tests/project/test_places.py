"""Places of mistakes are values: every one has its file and line without reading any text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from support.fixture_types import Run
from ucseg_cli.errors import ConfigurationError, MistakesError, Place, UcsegError
from ucseg_cli.facts.settings import Settings
from ucseg_cli.workflow.load_project import line_to_edit, load_project

AnswerIn = Callable[[str], str]

MISTAKEN = 'size = true\nconvention = "mac"\n\n[[budgets]]\nid = "a"\nmetric = "parms"\nmax = 1\n'
PLACES = [("size", 1), ("convention", 2), ("budgets[0].metric", 6)]


def mistakes_in(text: str) -> tuple[UcsegError, ...]:
    Path("ucseg.toml").write_text(text, "utf-8")
    with pytest.raises(MistakesError) as caught:
        load_project()
    return caught.value.errors


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("ucseg.toml"), "ucseg.toml"),
        (Place("ucseg.toml", 3), "ucseg.toml:3"),
        (Place("ucseg.toml", 3, "lint.select"), "ucseg.toml:3  lint.select"),
        (Place("ucseg.toml", key="size"), "ucseg.toml  size"),
    ],
)
def test_a_place_is_written_as_path_line_and_key(place: Place, text: str) -> None:
    assert str(place) == text
    error = UcsegError("it broke", where=place)
    assert (error.where, error.place) == (text, place)


def test_words_that_were_typed_are_not_a_place() -> None:
    assert UcsegError("it broke", where="--size 0").place is None
    assert UcsegError("it broke").place is None


def test_every_mistake_of_a_configuration_carries_its_place() -> None:
    places = [error.place for error in mistakes_in(MISTAKEN)]
    assert places == [Place("ucseg.toml", line, key) for key, line in PLACES]


@pytest.mark.parametrize(
    ("text", "line"),
    [("default = 'v2'\nsize = = 3\n", 2), ("\n\nsize = 9223372036854775808\n", 3)],
    ids=["not TOML", "too large"],
)
def test_a_file_that_cannot_be_read_as_a_configuration_has_the_line(text: str, line: int) -> None:
    Path("ucseg.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_project()
    assert caught.value.place is not None
    assert caught.value.place[:2] == ("ucseg.toml", line)


def test_the_line_to_edit_is_the_variant_s_else_the_first_of_the_file(tmp_path: Path) -> None:
    assert line_to_edit(Settings(), "v2") is None
    (tmp_path / "ucseg.toml").write_text("\n[variants.tiny]\nbackbone = 10\n", "utf-8")
    settings = load_project()
    assert line_to_edit(settings, "tiny+backbone=9") == Place("ucseg.toml", 2)
    assert line_to_edit(settings, "v2") == Place("ucseg.toml", 1)


@pytest.fixture
def answer_in(ucseg: Run, tmp_path: Path) -> AnswerIn:
    """The answer of ``ucseg check`` to the mistaken configuration, in a format."""
    (tmp_path / "ucseg.toml").write_text(MISTAKEN, "utf-8")

    def run(form: str) -> str:
        answer = ucseg("check", "-f", form)
        assert answer.returncode == 2
        return answer.stdout

    return run


def test_annotations_of_github_have_path_and_line(answer_in: AnswerIn) -> None:
    found = re.findall(r"^::error file=([^,]+),line=(\d+)", answer_in("github"), re.MULTILINE)
    assert found == [("ucseg.toml", str(line)) for _, line in PLACES]


def test_results_of_sarif_have_path_and_line(answer_in: AnswerIn) -> None:
    (run,) = json.loads(answer_in("sarif"))["runs"]
    physical = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [
        (place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in physical
    ] == [("ucseg.toml", line) for _, line in PLACES]


def test_failures_of_junit_end_with_path_and_line(answer_in: AnswerIn) -> None:
    failures = ET.fromstring(answer_in("junit")).iter("failure")
    last_lines = [(failure.text or "").splitlines()[-1] for failure in failures]
    assert last_lines == [f"ucseg.toml:{line}" for _, line in PLACES]
