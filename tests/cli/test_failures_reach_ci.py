"""A command that fails says so wherever its answer was to go."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from support.fixture_types import Run
from ucseg_cli.cli.failures import destination_of
from ucseg_cli.terminal.deliver import Destination

STALE = "<testsuites/>"


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    """A report of an earlier run that passed."""
    path = tmp_path / "report.xml"
    path.write_text(STALE, "utf-8")
    return path


def failures_in(path: Path) -> list[str]:
    root = ET.fromstring(path.read_text("utf-8"))
    return [failure.get("message", "") for failure in root.iter("failure")]


@pytest.mark.parametrize(
    "words", [["-f", "json"], ["-fjson"], ["--export-json", "-"], ["--export", "json=-"]]
)
@pytest.mark.parametrize(
    ("mistake", "message"),
    [("v22", "no variant named 'v22'"), ("--sizes", "no such option: --sizes")],
    ids=["parsed", "parser failed"],
)
def test_json_on_stdout_is_an_error_as_json_whether_or_not_the_parser_failed(
    ucseg: Run, words: list[str], mistake: str, message: str
) -> None:
    answer = ucseg("check", mistake, *words)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: {message}")
    assert json.loads(answer.stdout)["error"]["message"] == message


def test_a_mistake_of_the_project_replaces_a_stale_report(ucseg: Run, stale: Path) -> None:
    Path("ucseg.toml").write_text("size = true\n", "utf-8")
    answer = ucseg("check", "--export", f"junit={stale}")
    assert (answer.returncode, answer.stdout) == (2, "")
    (message,) = failures_in(stale)
    assert message.startswith("true is not an input size")


def test_a_typing_mistake_leaves_the_report_of_an_earlier_run(ucseg: Run, stale: Path) -> None:
    for mistake in ("v22", "--sizes"):
        assert ucseg("check", mistake, "--export", f"junit={stale}").returncode == 2
        assert stale.read_text("utf-8") == STALE


def test_a_command_that_judges_nothing_leaves_the_file(ucseg: Run, tmp_path: Path) -> None:
    Path("ucseg.toml").write_text("size = true\n", "utf-8")
    path = tmp_path / "answer.html"
    assert ucseg("params", "--export-html", str(path)).returncode == 2
    assert not path.exists()


def test_junit_on_stdout_has_the_failure(ucseg: Run, tmp_path: Path) -> None:
    answer = ucseg("check", "v22", "-f", "junit")
    assert answer.returncode == 2
    path = tmp_path / "stdout.xml"
    path.write_text(answer.stdout, "utf-8")
    (message,) = failures_in(path)
    assert "no variant named 'v22'" in message


@pytest.mark.parametrize(
    ("words", "destination"),
    [
        ([], Destination()),
        (["-f", "json"], Destination("json")),
        (["--format=json", "-fcsv"], Destination("csv")),
        (["--export", "junit=a.xml"], Destination(exports=(("junit", Path("a.xml")),))),
        (["--export=junit=a.xml"], Destination(exports=(("junit", Path("a.xml")),))),
        (["--export-json", "-"], Destination(exports=(("json", Path("-")),))),
        (["--export-json=-", "v2"], Destination(exports=(("json", Path("-")),))),
        (["--format"], Destination("")),
    ],
    ids=str,
)
def test_without_a_parser_the_words_themselves_say_where_the_answer_goes(
    words: list[str], destination: Destination
) -> None:
    assert destination_of(["check", *words]) == destination
