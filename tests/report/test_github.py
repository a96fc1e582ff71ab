from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.report.formats.ci.github import render_github
from ucseg_cli.system.control_characters import escaped

Run = Callable[..., CompletedProcess[str]]

CONFIGURATION = (
    '[[budgets]]\nid = "light"\nmetric = "params"\nmax = "1k"\nmessage = "See\\nthe wiki."\n'
)
COMMAND = re.compile(r"::(?P<name>\w+) (?P<properties>.*?)::(?P<message>.*)", re.DOTALL)
OF_DATA = {"%0D": "\r", "%0A": "\n", "%25": "%"}
"""The percent sign last, as the runner does."""
LINE = 4
"""The line of the limit, where a user would edit it."""


class Command(NamedTuple):
    """A workflow command as GitHub's runner reads it."""

    name: str
    properties: dict[str, str]
    message: str


def _report(*judgements: Judgement, summary: str = "Done.") -> Report:
    return Report("ucseg.check", "check v2", {}, (), summary, {}, judgements=judgements)


def _failures(count: int, status: str = "fail") -> list[Judgement]:
    return [
        Judgement(f"{status}-{n}", "v2", status, "too much", weight=Fraction(n))
        for n in range(count)
    ]


def _read(line: str) -> Command:
    match = COMMAND.fullmatch(line)
    assert match, line
    pairs = (pair.partition("=") for pair in match["properties"].split(","))
    properties = {
        key: _unescape(value, {"%3A": ":", "%2C": ",", **OF_DATA}) for key, _, value in pairs
    }
    return Command(match["name"], properties, _unescape(match["message"], OF_DATA))


def _unescape(text: str, signs: Mapping[str, str]) -> str:
    for sign, meant in signs.items():
        text = text.replace(sign, meant)
    return text


def _commands(report: Report) -> list[Command]:
    *lines, last = render_github(report).removesuffix("\n").split("\n")
    assert last == report.summary
    return [_read(line) for line in lines]


def test_a_failure_is_an_error_and_a_warning_a_warning_and_nothing_else_is_written() -> None:
    judgements = [
        Judgement(status, "v2", status, "…") for status in ("pass", "warn", "info", "fail")
    ]
    assert (
        render_github(_report(*judgements))
        == "::error title=fail (v2)::…\n::warning title=warn (v2)::…\nDone.\n"
    )


def test_a_place_comes_before_the_title() -> None:
    shown = render_github(_report(Judgement("a", "v2", "fail", "too much", "pyproject.toml", 12)))
    assert shown.startswith("::error file=pyproject.toml,line=12,title=a (v2)::too much\n")


def test_what_would_end_a_command_or_a_property_is_escaped() -> None:
    shown = render_github(
        _report(Judgement("a,b:c%", "v2", "fail", "1%\r\n::error::no, that: is data", "x,y:z", 1))
    )
    assert shown.splitlines()[:-1] == [
        (
            "::error file=x%2Cy%3Az,line=1,title=a%2Cb%3Ac%25 (v2)"
            "::1%25%0D%0A::error::no, that: is data"
        )
    ]


SAYABLE = st.text(
    st.one_of(st.characters(exclude_categories=["Cc", "Cs"]), st.sampled_from("\r\n\t"))
)


@given(name=SAYABLE, message=SAYABLE, path=SAYABLE.filter(bool))
def test_any_text_reads_back_as_it_was(name: str, message: str, path: str) -> None:
    (command,) = _commands(_report(Judgement(name, "v2", "fail", message, path, 3)))
    name, message, path = (_without_obeyed(text) for text in (name, message, path))
    assert command == ("error", {"file": path, "line": "3", "title": f"{name} (v2)"}, message)


def _without_obeyed(text: str) -> str:
    """The text as it reads back: what would be obeyed is written out, but for line breaks."""
    return "\r".join(map(escaped, text.split("\r")))


def test_a_summary_cannot_begin_a_line_of_its_own() -> None:
    assert render_github(_report(summary="Done.\n::error::no")) == "Done. ::error::no\n"


@pytest.mark.parametrize(("status", "name"), [("fail", "error"), ("warn", "warning")])
def test_ten_of_a_kind_are_written_the_worst_first(status: str, name: str) -> None:
    commands = _commands(_report(*_failures(10, status)))
    assert {command.name for command in commands} == {name}
    assert [command.properties["title"] for command in commands] == [
        f"{status}-{n} (v2)" for n in range(9, -1, -1)
    ]


@pytest.mark.parametrize(("status", "name"), [("fail", "error"), ("warn", "warning")])
def test_beyond_ten_the_last_counts_and_names_the_rest(status: str, name: str) -> None:
    commands = _commands(_report(*_failures(12, status)))
    assert len(commands) == 10
    assert [command.properties["title"] for command in commands[:9]] == [
        f"{status}-{n} (v2)" for n in range(11, 2, -1)
    ]
    assert commands[-1] == (
        name,
        {"title": "check v2"},
        f"3 others: {status}-2, {status}-1, {status}-0",
    )


def test_errors_and_warnings_are_capped_each() -> None:
    commands = _commands(_report(*_failures(11, "warn"), *_failures(11)))
    assert [command.name for command in commands] == ["error"] * 10 + ["warning"] * 10


def test_a_budget_that_is_exceeded_is_written_at_its_line(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "ucseg.toml").write_text(CONFIGURATION, encoding="utf-8")
    answer = ucseg("check", "-f", "github")
    command = _read(answer.stdout.splitlines()[0])
    assert answer.returncode == 1
    assert command.properties == {"file": "ucseg.toml", "line": str(LINE), "title": "light (v2)"}
    assert (
        command.message
        == "v2 has 645,245 parameters, 644,245 over its limit of 1,000. See\nthe wiki."
    )
    assert len(answer.stdout.splitlines()) == 2


@pytest.mark.parametrize("where", [".", "inner", "inner/innermost"])
def test_paths_are_as_seen_from_the_root_of_the_checkout(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "inner" / "innermost").mkdir(parents=True)
    (tmp_path / "inner" / "ucseg.toml").write_text(CONFIGURATION, encoding="utf-8")
    monkeypatch.setenv("UCSEG_CONFIG", str(tmp_path / "inner" / "ucseg.toml"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path / where)
    shown = _read(ucseg("check", "-f", "github").stdout.splitlines()[0])
    assert shown.properties["file"] == "inner/ucseg.toml"


def test_a_path_outside_the_checkout_stays_as_it_is(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ucseg.toml").write_text(CONFIGURATION, encoding="utf-8")
    (tmp_path / "checkout").mkdir()
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "checkout"))
    monkeypatch.chdir(tmp_path / "checkout")
    shown = _read(ucseg("check", "-f", "github").stdout.splitlines()[0])
    assert shown.properties["file"] == str(tmp_path / "ucseg.toml")


def test_lint_warns_and_with_fail_on_errs(ucseg: Run) -> None:
    warned, failed = (
        ucseg("lint", "-f", "github"),
        ucseg("lint", "-f", "github", "--fail-on", "warning"),
    )
    assert (warned.returncode, failed.returncode) == (0, 1)
    assert {_read(line).name for line in warned.stdout.splitlines()[:-1]} == {"warning"}
    assert {_read(line).name for line in failed.stdout.splitlines()[:-1]} == {"error"}
    summary = " ".join(ucseg("lint").stdout.rsplit("\n\n", 1)[-1].split())
    assert warned.stdout.splitlines()[-1] == summary
    reason = "; 5 of them fail (fail-on warning)."
    assert failed.stdout.splitlines()[-1] == summary.removesuffix(".") + reason


def test_counters_that_agree_are_the_summary_alone(ucseg: Run) -> None:
    answer = ucseg("verify", "--size", "16", "-f", "github")
    assert answer.stdout == f"{ucseg('verify', '--size', '16').stdout.splitlines()[-1]}\n"


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    shown = render_github(_report(Judgement("a\x1b[31m", "v2", "fail", "b\x00\x07c", "p.toml", 1)))
    assert shown.startswith("::error file=p.toml,line=1,title=a\\x1b[31m (v2)::b\\x00\\x07c\n")
