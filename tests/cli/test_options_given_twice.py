"""An option that takes one value is refused where given twice; one that takes several is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from typer.main import get_command

from support.fixture_types import Run
from ucseg_cli.cli.app import make_app
from ucseg_cli.cli.command_groups import COMMANDS

SEVERAL = {
    ("probe", "--size"),
    ("probe", "--tap"),
    ("probe", "--variant"),
    ("overview", "--variant"),
    ("draw", "--variant"),
    ("reach", "--size"),
    ("latency", "--max"),
    ("latency", "--variant"),
    ("lint", "--select"),
    ("flops", "--checkpoint"),
    ("compare", "--checkpoint"),
    ("compare", "--freeze"),
    ("flops", "--freeze"),
    ("lint", "--ignore"),
    ("memory", "--checkpoint"),
    ("memory", "--freeze"),
    ("check", "--docs"),
    ("history", "--metric"),
    ("sweep", "--vary"),
    ("sweep", "--checkpoint"),
    ("sweep", "--freeze"),
    ("sweep", "--max"),
    ("sweep", "--min"),
    ("sweep", "--minimize"),
    ("sweep", "--maximize"),
    ("check", "--max"),
    ("check", "--size"),
    ("check", "--variant"),
    ("lock", "--size"),
    ("lock", "--drop"),
    ("lock", "--variant"),
}
"""Options that may be given more than once."""


class Option(NamedTuple):
    command: str
    names: tuple[str, ...]
    takes_several: bool
    is_flag: bool

    @property
    def longest(self) -> str:
        return max(self.names, key=len)


def options() -> Iterator[Option]:
    """Every option of every command, as the parser has it."""
    commands = getattr(get_command(make_app([], in_full=True)), "commands", {})
    for name, command in commands.items():
        for param in command.params:
            if param.param_type_name == "option":
                yield Option(name, tuple(param.opts), param.multiple, param.is_flag)


SINGLE = [option for option in options() if not option.takes_several and not option.is_flag]
REPEATABLE = [option for option in options() if option.takes_several]


def called(option: Option) -> str:
    return f"{option.command} {option.longest}"


def test_every_command_has_an_option_of_one_value() -> None:
    assert {option.command for option in SINGLE} >= COMMANDS.keys() - {"completion"}


@pytest.mark.parametrize("option", SINGLE, ids=called)
def test_an_option_of_one_value_is_refused_twice(
    ucseg: Run, fake_engine: list[object], option: Option
) -> None:
    for other in option.names:
        answer = ucseg(option.command, option.longest, "1", other, "1")
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr == (
            f"error: {option.longest} is given twice\n"
            f"  --> ucseg {option.command} {option.longest}\n"
            "   = help: it takes one value\n"
        )
    assert fake_engine == []


@pytest.mark.parametrize("option", REPEATABLE, ids=called)
def test_an_option_of_several_values_is_not_refused(ucseg: Run, option: Option) -> None:
    assert (
        "is given twice"
        not in ucseg(option.command, option.longest, "1", option.longest, "2").stderr
    )


def test_these_options_take_several_values() -> None:
    assert {
        (option.command, option.longest) for option in REPEATABLE if option.longest != "--export"
    } == SEVERAL


@pytest.mark.parametrize("option", [option for option in options() if option.is_flag], ids=called)
def test_a_flag_says_no_more_twice_than_once(ucseg: Run, option: Option) -> None:
    assert (
        "is given twice"
        not in ucseg(option.command, option.longest, option.longest, "--top", "x").stderr
    )


def test_an_option_s_value_that_looks_like_another_option_is_none(ucseg: Run) -> None:
    assert "is given twice" not in ucseg("params", "--variant", "--depth", "--depth", "1").stderr
