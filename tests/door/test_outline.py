"""Each function has the options of its command; importing the package imports nothing heavy."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from typer._click.core import Parameter

import ucseg_cli
from support.fixture_types import Run
from ucseg_cli.cli.command_groups import COMMANDS
from ucseg_cli.door import functions
from ucseg_cli.door.ask import NAMES, NOT_ASKED, find_command

FUNCTIONS = sorted(name for name in ucseg_cli.__all__ if name in COMMANDS)
WITHOUT = {"list", "init", "lock", "config", "explain", "cache", "completion"}
"""Commands that write files of a project or speak of the command line alone."""


def is_several(parameter: Parameter) -> bool:
    return parameter.multiple or parameter.nargs == -1


def options_of(name: str) -> dict[str, Any]:
    """The default of each option that Python may give, by its name there; () for several words."""
    return {
        NAMES.get(str(one.name), str(one.name)): (
            inspect.Parameter.empty
            if one.required
            else ()
            if is_several(one) and one.param_type_name == "argument"
            else one.default
        )
        for one in find_command(name).params
        if one.name not in NOT_ASKED
    }


def parameters_of(name: str) -> dict[str, Any]:
    parameters = inspect.signature(getattr(functions, name)).parameters.values()
    star = inspect.Parameter.VAR_POSITIONAL
    return {one.name: () if one.kind is star else one.default for one in parameters}


def test_every_command_that_answers_about_models_is_a_function() -> None:
    assert set(FUNCTIONS) == COMMANDS.keys() - WITHOUT


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_options_of_its_command_with_the_same_defaults(name: str) -> None:
    assert parameters_of(name) == options_of(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_in_a_sentence_what_it_answers(name: str) -> None:
    words = inspect.getdoc(getattr(functions, name)) or ""
    assert words.splitlines()[0].endswith(".")


LOOK = """
import json, sys
import ucseg_cli
before = sorted({name.partition(".")[0] for name in sys.modules})
names = [name for name in dir(ucseg_cli) if name != "build_model"]
missing = [name for name in names if not hasattr(ucseg_cli, name)]
print(json.dumps([before, missing, "torch" in sys.modules]))
"""


def test_importing_the_package_imports_neither_torch_nor_rich_nor_typer(python: Run) -> None:
    answer = python("-c", LOOK)
    assert answer.returncode == 0, answer.stderr
    before, missing, torch_after = json.loads(answer.stdout)
    assert not {"torch", "rich", "typer", "jinja2", "numpy"}.intersection(before)
    assert missing == []
    assert torch_after is False


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'flopz'"):
        _ = ucseg_cli.flopz
