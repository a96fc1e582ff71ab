"""The help: sub-commands and options in groups, and examples that can be typed as they stand."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from typer.main import get_command

from support.fixture_types import Run
from ucseg_cli.cli.app import make_app
from ucseg_cli.cli.command_groups import COMMANDS, GROUPS
from ucseg_cli.cli.main import Invocation

PANELS = ("Model", "Measure", "Judge", "Output", "Options")


def sections(text: str) -> dict[str, list[str]]:
    """The lines below each heading of a help screen."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][a-z]+:", line):
            heading = line.rstrip(":")
            found[heading] = []
        elif heading and line.strip():
            found[heading].append(line.strip())
    return found


def parse(words: list[str]) -> Any:
    """Parse a command line as ``ucseg`` does; raises what the parser raises."""
    group = get_command(make_app(words))
    context = group.make_context("ucseg", list(words), obj=Invocation(words))
    name, command, rest = group.resolve_command(context, list(words))  # type: ignore[attr-defined]
    return command.make_context(name, rest, parent=context)


def test_sub_commands_stand_in_their_groups_in_order(ucseg: Run) -> None:
    shown = sections(ucseg("--help").stdout)
    for group, names in GROUPS.items():
        lines = shown[group.capitalize()][: len(names)]
        assert tuple(line.split()[0] for line in lines) == names


def test_options_stand_under_what_they_are_about(ucseg: Run) -> None:
    shown = sections(ucseg("check", "--help").stdout)
    assert [heading for heading in shown if heading != "Examples"] == list(PANELS)
    for heading, option in [
        ("Model", "--variant"),
        ("Measure", "--size"),
        ("Judge", "--max"),
        ("Output", "--format"),
        ("Options", "--help"),
    ]:
        assert [
            panel
            for panel in PANELS
            if any(
                option in row.split() or f"{option}," in row
                for row in shown[panel]
                if row.startswith("-")
            )
        ] == [heading]


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_has_no_braces_and_names_each_argument_of_the_help(
    ucseg: Run, command: str, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = ucseg(command, "--help").stdout
    usage = text.splitlines()[0]
    assert not set("{}") & set(usage)
    shown = sections(text)
    rows = [*shown.get("Argument", ()), *shown.get("Model", ())]
    names = {row.split()[0] for row in rows if re.match(r"[A-Z]+(\.\.\.)?  ", row)}
    assert {word.strip("[].") for word in usage.split()[4:]} == {name.strip(".") for name in names}
    assert not any(word in row for row in shown.get("Model", ()) for word in ("TOPIC", "SHELL"))


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"completion"}))
def test_the_help_has_those_formats_that_the_command_accepts(ucseg: Run, command: str) -> None:
    text = " ".join(ucseg(command, "--help").stdout.split())
    listed = re.search(r"--format NAME On the screen: ([a-z, ]+)\.", text)
    assert listed is not None
    formats = listed[1].split(", ")
    refusal = ucseg(command, "--format", "nothing").stderr
    assert f"known: {', '.join(formats)}\n" in refusal
    assert ("sarif" in formats) == (command in {"check", "lint", "verify", "identify"})


@pytest.mark.parametrize(
    ("command", "argument"),
    [("identify", "CHECKPOINT"), ("explain", "TOPIC"), ("completion", "SHELL")],
)
def test_an_argument_that_names_no_model_stands_under_a_heading_of_its_own(
    ucseg: Run, command: str, argument: str
) -> None:
    shown = sections(ucseg(command, "--help").stdout)
    assert shown["Argument"][0].split()[0] == argument
    assert "Model" not in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_of_a_command_is_missing_from_its_help(ucseg: Run, command: str) -> None:
    text = ucseg(command, "--help").stdout
    for parameter in get_command(make_app([command])).commands[command].params:  # type: ignore[attr-defined]
        if parameter.param_type_name == "option":
            assert max(parameter.opts, key=len) in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_two_or_three_examples_that_parse(
    ucseg: Run, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    examples = sections(ucseg(command, "--help").stdout)["Examples"]
    assert 2 <= len(examples) <= 3
    for example in examples:
        called = re.search(r"ucseg [^|>)]+", example)  # without what a shell adds
        assert called is not None
        words = shlex.split(called[0])
        assert words[:2] == ["ucseg", command]
        assert parse(words[1:]).command.name == command


def test_an_example_that_does_not_parse_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--dept"):
        parse(["params", "--dept", "3"])
