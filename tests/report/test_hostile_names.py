"""Nothing of a name reaches a stream or a file that anything would obey."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from io import StringIO
from unicodedata import category

import pytest

from support.fixture_types import Run
from ucseg_cli.report.document import Column, Judgement, Kind, Report, Row, Table
from ucseg_cli.report.formats.render import FORMATS, JUDGED_FORMATS, render
from ucseg_cli.report.formats.screen import Screen
from ucseg_cli.system.control_characters import escaped
from ucseg_cli.terminal.deliver import Destination, deliver

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of control and format characters, surrogates and separators of lines."""
HOSTILE = {
    "a colour": "a\x1b[31mred\x1b[0m",
    "a title": "a\x1b]0;title\x07",
    "a C1 code": "a\x9b31mred",
    "a NUL": "a\x00b",
    "a carriage return and a formula": "a\r=cmd|' /C calc'!A0",
    "a line separator": "a\u2028b\u2029c\x85d",
    "a turn of direction": "a\u202eexe.tp\u2066\u2069",
    "characters without a width": "a\u200b\ufeff\u00adb",
    "half of a pair": "a\udc80b",
    "a command of CI": "::set-output name=x::y",
}


def report(name: str) -> Report:
    table = Table("t", "Modules", (Column("module", "module", Kind.PATH),), (Row((name,)),))
    judgement = Judgement("budget", name, "fail", f"{name} is too large", "p.toml", 3, module=name)
    summary, conditions = f"{name} has 3 parameters.", {"model": name}
    return Report(
        "ucseg.check", f"check {name}", conditions, (table,), summary, {"model": name},
        notes=(f"{name} is odd",), judgements=(judgement,),
    )  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", FORMATS + JUDGED_FORMATS)
def test_no_format_passes_on_what_would_be_obeyed(name: str, form: str) -> None:
    text = render(report(HOSTILE[name]), form, Screen(width=80))
    assert {category(character) for character in set(text) - set("\n\t")} & OBEYED == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_scripts_read_the_name_as_it_is(name: str) -> None:
    assert json.loads(render(report(HOSTILE[name]), "json", Screen()))["model"] == HOSTILE[name]
    rows = list(csv.reader(StringIO(render(report(HOSTILE[name]), "csv", Screen()))))
    shown = escaped(HOSTILE[name])
    assert rows == [["module"], [f"'{shown}" if shown.startswith("::") else shown]]
    assert ET.fromstring(render(report(HOSTILE[name]), "junit", Screen()).encode()).tag


@pytest.mark.parametrize(
    "form", ["table", "json", "csv", "markdown", "latex", "html", "comment", "junit"]
)
def test_no_name_is_a_command_of_github_s_runner_anywhere_in_a_line(form: str) -> None:
    assert "##[" not in render(report("a ##[error]b"), form, Screen())


def test_a_name_at_the_start_of_a_csv_line_is_no_command() -> None:
    lines = render(report("::error::x"), "csv", Screen()).splitlines()
    assert [line for line in lines if line.startswith("::")] == []


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "comment", "github"])
@pytest.mark.parametrize("indent", ["", "  "])
def test_no_line_of_an_answer_is_a_command_that_a_name_wrote(
    capsys: pytest.CaptureFixture[str], form: str, indent: str
) -> None:
    deliver(report(f"{indent}::set-output name=x::y"), Destination(form))
    lines = [line.lstrip() for line in capsys.readouterr().out.splitlines()]
    commands = [line for line in lines if line.startswith("::")]
    assert [line for line in commands if not line.startswith("::error file=p.toml")] == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("form", ["json", "csv", "junit", "sarif", "html"])
def test_machines_get_utf_8_on_any_stream(ucseg_process: Run, encoding: str, form: str) -> None:
    words = ("check", "v2", "--max", "params=1", "-f", form)
    ours = ucseg_process(*words, environment={"PYTHONIOENCODING": encoding}).stdout
    assert ours == ucseg_process(*words, environment={"PYTHONIOENCODING": "utf-8"}).stdout
