from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from support.fixture_types import Run

HEAVY = {"torch", "torchvision", "numpy", "fvcore", "jinja2"}
"""Slow to import, and not needed for an answer from the cache."""

WATCH = """
import io, json, sys
from contextlib import redirect_stdout
from ucseg_cli.cli.main import main
seen = []
for arguments in json.load(sys.stdin):
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        status = main(arguments)
    seen.append([arguments, status, sorted({name.partition(".")[0] for name in sys.modules})])
print(json.dumps(seen))
"""

MEASURING = (
    ["list"],
    ["show", "v2"],
    ["params", "--variant", "v2"],
    ["flops", "v2"],
    ["probe", "--size", "512"],
    ["reach", "v2", "--size", "512"],
    ["compare", "v1", "v2"],
    ["compare", "v1", "v2", "v3"],
    ["check", "v1", "v2", "--max", "params=650k"],
    ["lint", "v2"],
    ["shrink", "v2"],
    ["shrink", "v2", "--layers"],
)
TALKING = (
    ["--help"],
    ["--version"],
    ["completion", "bash"],
    ["explain"],
    ["explain", "fvcore"],
    ["explain", "UC104"],
    ["cache"],
    ["params", "-h"],
)
FORMATS = ("json", "csv", "markdown", "table")  # the table last: only it may import rich


@pytest.fixture
def imported_by(python: Run) -> Callable[[list[list[str]]], list[Any]]:
    """The modules that a fresh Python has imported after each of several commands in turn."""

    def watch(commands: list[list[str]]) -> list[Any]:
        answer = python("-c", WATCH, stdin=json.dumps(commands))
        assert answer.returncode == 0, answer.stderr
        return list(json.loads(answer.stdout))

    return watch


def test_nothing_that_talks_only_imports_anything_heavy(
    imported_by: Callable[..., list[Any]],
) -> None:
    for arguments, status, modules in imported_by(list(TALKING)):
        assert status == 0, arguments
        assert HEAVY.isdisjoint(modules), arguments


def test_an_answer_from_the_cache_imports_nothing_heavy_in_any_format(
    imported_by: Callable[..., list[Any]],
) -> None:
    commands = [[*arguments, "--format", form] for form in FORMATS for arguments in MEASURING]
    for arguments, status, modules in imported_by(commands):
        assert status == 0, arguments
        assert HEAVY.isdisjoint(modules), arguments
        if "table" not in arguments:
            assert "rich" not in modules, arguments


def test_a_mistake_is_reported_without_anything_heavy(
    imported_by: Callable[..., list[Any]],
) -> None:
    mistakes = [
        ["params", "v22"],
        ["probe", "--size", "0"],
        ["check"],
        ["flop"],
        ["params", "v22", "-f", "json"],
        ["lint", "--select", "X"],
    ]
    for arguments, status, modules in imported_by(mistakes):
        assert status == 2, arguments
        assert HEAVY.isdisjoint(modules), arguments


def test_this_check_can_fail(imported_by: Callable[..., list[Any]]) -> None:
    (_, _, before), (_, status, after) = imported_by(
        [["params"], ["params", "--no-cache", "--size", "32"]]
    )
    assert status == 0
    assert HEAVY.isdisjoint(before)
    assert {"torch", "torchvision"} <= set(after)


def test_the_page_imports_its_template_engine_only(imported_by: Callable[..., list[Any]]) -> None:
    ((_, status, modules),) = imported_by([["compare", "v1", "v2", "-f", "html"]])
    assert status == 0
    assert HEAVY & set(modules) == {"jinja2"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["list"], ["compare", "v1", "v2", "-f", "json"]],
    ids=" ".join,
)
def test_the_program_itself_leaves_torch_out(python: Run, arguments: list[str]) -> None:
    answer = python("-X", "importtime", "-m", "ucseg_cli", *arguments)
    assert answer.returncode == 0
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in answer.stderr.splitlines()
    }
    assert "ucseg_cli" in imported
    assert HEAVY.isdisjoint(imported)
