from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.cli.command_groups import COMMANDS

OUT_OF_RANGE = "is not a number of seconds from 0.001 to 86,400"

MISTAKES: list[tuple[list[str], list[str]]] = [
    # what is named
    (
        ["params", "v22"],
        [
            "no variant named 'v22'",
            "known: v1, v2, v3",
            "did you mean 'v2'? `ucseg list` shows them all",
        ],
    ),
    (["params", ""], ["no variant named ''"]),
    (["params", "--variant", ""], ["no variant named ''"]),
    (["probe", "v1", "v9"], ["no variant named 'v9'"]),
    (["check", "v22", "--max", "params=1M"], ["no variant named 'v22'"]),
    (["compare", "v1", "v22"], ["no variant named 'v22'"]),
    (["compare", "v22", "v1"], ["no variant named 'v22'"]),
    (["verify", "v22"], ["no variant named 'v22'"]),
    (
        ["params", "v2+backbon=10"],
        ["no axis named 'backbon'", "--> v2+backbon=10", "did you mean 'backbone'?"],
    ),
    (
        ["params", "v2+conv=regula"],
        [
            "'regula' is not a value of the axis 'conv'",
            "accepts: regular or separable",
            "did you mean 'conv=regular'?",
        ],
    ),
    (
        ["params", "v2+backbone=3"],
        ["'3' is not a value of the axis 'backbone'", "accepts: 4 to 13"],
    ),
    (
        ["params", "v2", "--export-json", ""],
        ["--export-json names no file", "--> --export-json", "write --export-json answer.json"],
    ),
    (["check", "--docs", "README.md", " "], ["--docs names no file", "write --docs README.md"]),
    (
        ["sweep", "v2", "--vary", "backbone=9,10", "--scores", ""],
        ["--scores names no file", "--> --scores", "write --scores runs.csv"],
    ),
    (["params", "v2+rates="], ["'' is not a value of the axis 'rates'"]),
    (["params", "v2+rates=\u0665"], ["'\u0665' is not a value of the axis 'rates'"]),
    (["params", "v2+"], ["'+' does not say what to change", "write +AXIS=VALUE"]),
    (["params", "net.py"], ["'net.py' does not say which class is meant", "write net.py:NAME"]),
    (
        ["flops", "--input", "1x3x"],
        ["'1x3x' is not an input shape", "--> --input 1x3x", "write lengths with x between"],
    ),
    (["flops", "--input", "1x0x3"], ["'1x0x3' has a length of 0"]),
    (["flops", "--input", "1x3:float23"], ["no dtype named 'float23'", "did you mean 'float32'?"]),
    (
        ["flops", "--input", "999999999x999999999"],
        ["so large an input is more than can be addressed"],
    ),
    (
        ["flops", "--input", "1x3x8x8", "--size", "8"],
        ["the whole shape is given already", "leave --size and --batch out"],
    ),
    (["params", "v1", "--variant", "v2"], ["two models are named, 'v1' and 'v2'"]),
    (
        ["flops", "--convention", "fvcor"],
        ["no convention named 'fvcor'", "known: fvcore, macs, torch", "did you mean 'fvcore'?"],
    ),
    (
        ["check", "--max", "parms=1M"],
        ["no metric named 'parms'", "--> --max parms=1M", "did you mean 'params'?"],
    ),
    (["explain", "axs"], ["no topic named 'axs'", "did you mean 'axes'?"]),
    (["completion", "basj"], ["no shell named 'basj'", "did you mean 'bash'?"]),
    # options' values
    (
        ["params", "--format", "jsn"],
        [
            "no format named 'jsn'",
            "known: table, json, csv, markdown, latex, html",
            "did you mean 'json'?",
        ],
    ),
    (
        ["params", "--sort", "count-"],
        ["no order named 'count-'", "known: tree, count, path", "did you mean 'count'?"],
    ),
    (["compare", "v1", "v2", "--sort", "tree"], ["no order named 'tree'", "known: change, path"]),
    (
        ["probe", "--size", "0"],
        [
            "the size 0×0 is out of range",
            "--> --size 0",
            "each side is between 1 and 1,048,576 pixels",
        ],
    ),
    (["probe", "--size", "0x5"], ["the size 0×5 is out of range"]),
    (["probe", "--size", "-1"], ["'-1' is not an input size"]),
    (["probe", "--size=-1"], ["'-1' is not an input size"]),
    (
        ["probe", "--size", "33x"],
        [
            "'33x' is not an input size",
            "write one number for a square (512) or HEIGHTxWIDTH (384x640)",
        ],
    ),
    (["probe", "--size", "large"], ["'large' is not an input size"]),
    (["probe", "--size", ""], ["'' is not an input size"]),
    (["probe", "--size", "\u0665\u0661\u0662"], ["'\u0665\u0661\u0662' is not an input size"]),
    (["probe", "--size", "512", "--size", "33x"], ["'33x' is not an input size"]),
    (["probe", "--size", str(10**30)], ["is absurdly large"]),
    (["probe", "--size", "1048577"], ["is out of range"]),
    (["probe", "--size", "1048576", "--batch", "17"], ["are more than can be addressed"]),
    (["probe", "--batch", "0"], ["the batch 0 is out of range", "--> --batch 0"]),
    (["probe", "--batch", "-3"], ["the batch -3 is out of range"]),
    (["probe", "--batch", str(10**30)], ["is out of range"]),
    (["probe", "--batch", "two"], ["'two' is not a whole number", "--> --batch two"]),
    (["probe", "--batch", "1.5"], ["'1.5' is not a whole number", "help: write --batch 8"]),
    (["params", "--depth", "0"], ["'0' is not a whole number from 1", "--> --depth 0"]),
    (["params", "--depth", "deep"], ["'deep' is not a whole number from 1", "write --depth 3"]),
    (["params", "--top", "0"], ["'0' is not a whole number from 1", "--> --top 0"]),
    (["params", "-n", "1e3"], ["'1e3' is not a whole number from 1", "--> --top 1e3"]),
    *(
        (["params", "--timeout", seconds], [f"'{seconds}' {OUT_OF_RANGE}", f"--timeout {seconds}"])
        for seconds in ("nan", "-nan", "inf", "-1", "1e999", "0", "86401", "1e-4", "soon")
    ),
    (["check", "--max", "params"], ["'params' is not a limit", "write METRIC=QUANTITY"]),
    (["check", "--max", "params=65x"], ["'65x' is not a quantity", "--> --max params=65x"]),
    (["check", "--max", "params=-1"], ["'-1' is not a quantity"]),
    (["check", "--max", "params=0.5"], ["'0.5' is not a whole number"]),
    (["check", "v2"], ["there is nothing to check"]),
    (["lint", "--ignore", "UC"], ["no rule is left to look for", "--> --select, --ignore"]),
    (["lint", "--ignore", ""], ["no rule named ''", "--> --ignore"]),
    # what is said twice
    (
        ["params", "--depth", "1", "--depth", "2"],
        ["--depth is given twice", "--> ucseg params --depth", "it takes one value"],
    ),
    (["params", "-d1", "--depth=1"], ["--depth is given twice"]),
    (["flops", "-c", "macs", "--convention", "macs"], ["--convention is given twice"]),
    (["show", "--variant", "v1", "--variant", "v2"], ["--variant is given twice"]),
    (
        ["compare", "v1", "v22", "-s", "64", "--size", "96"],
        ["--size is given twice", "--> ucseg compare --size"],
    ),
    # the grammar
    (["flop"], ["no such command 'flop'", "did you mean 'flops'?", "`ucseg --help` shows how"]),
    (["frobnicate"], ["no such command 'frobnicate'"]),
    (
        ["params", "--sizes", "3"],
        ["no such option: --sizes", "did you mean '--size'?", "`ucseg params --help` shows how"],
    ),
    (["params", "-z"], ["no such option: -z"]),
    (["--nonsense"], ["no such option: --nonsense"]),
    (
        ["params", "v1", "v2"],
        [
            "`ucseg params` takes one model; you gave 2: v1, v2",
            "`ucseg compare` takes several models",
            "`ucseg params --help` shows how",
        ],
    ),
    (["params", "--size"], ["option '--size' requires an argument"]),
    (["compare"], ["missing argument 'BASE'", "--> ucseg compare"]),
    (["completion"], ["missing argument 'SHELL'"]),
]


@pytest.mark.parametrize(
    ("arguments", "said"), MISTAKES, ids=lambda arguments: " ".join(arguments)[:40]
)
def test_a_mistake_says_what_where_and_how_to_fix_it(
    ucseg: Run, fake_engine: list[object], arguments: list[str], said: list[str]
) -> None:
    answer = ucseg(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    for words in said:
        assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "internal error" not in answer.stderr
    assert fake_engine == []  # found before anything is measured


@pytest.mark.parametrize(
    ("arguments", "said"), MISTAKES, ids=lambda arguments: " ".join(arguments)[:40]
)
def test_with_json_a_mistake_comes_in_the_same_envelope_as_an_answer(
    ucseg: Run, arguments: list[str], said: list[str]
) -> None:
    if "--format" in arguments:
        pytest.skip("it is the format that is mistaken")
    answer = ucseg(arguments[0], "--format", "json", *arguments[1:])
    assert answer.returncode == 2
    envelope = json.loads(answer.stdout)
    assert envelope["kind"] == "ucseg.error"
    assert {"kind", "format_version", "tool", "conditions", "error"} <= envelope.keys()
    assert envelope["error"].keys() == {"kind", "message", "where", "notes", "help", "exit_status"}
    assert envelope["error"]["exit_status"] == 2
    if (
        arguments[0] in COMMANDS and arguments[0] != "completion"
    ):  # which has no --format to begin with
        assert said[0] in envelope["error"]["message"]


@pytest.mark.parametrize(
    "form",
    [["-f", "json"], ["-fjson"], ["--format=json"], ["--export-json", "-"], ["--export-json=-"]],
)
def test_however_json_is_asked_for_an_error_is_json_too(ucseg: Run, form: list[str]) -> None:
    assert json.loads(ucseg("params", "v22", *form).stdout)["error"]["kind"] == "unknown-name"


@pytest.mark.parametrize(
    ("words", "is_json"),
    [
        (
            ["-f", "table", "--format", "json"],
            True,
        ),  # the last wins, as where it may be given twice
        (["--format=json", "-f", "table"], False),
        (["-fjson", "-fcsv"], False),
        (["--export-json", "-", "-f", "table"], True),
        (["--export-json", "file"], False),
        (["--format", "jsonl"], False),
    ],
    ids=str,
)
def test_of_several_formats_the_last_decides_how_an_error_is_written(
    ucseg: Run, words: list[str], *, is_json: bool
) -> None:
    answer = ucseg("params", "v22", *words)
    assert answer.returncode == 2
    assert answer.stdout.startswith("{") == is_json
    assert bool(answer.stdout) == is_json


@pytest.mark.parametrize("name", ["v22 -f json", "v22 --format=json ", " --export-json - ", "json"])
def test_a_name_that_holds_an_option_asks_for_no_json(ucseg: Run, name: str) -> None:
    answer = ucseg("params", name)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: ")


def test_without_a_command_the_help_is_shown_on_stderr(ucseg: Run) -> None:
    answer = ucseg()
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == ucseg("--help").stdout


def test_a_mistake_in_one_of_several_models_costs_no_export(ucseg: Run, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    assert ucseg("probe", "v1", "v9", "--export-json", str(path)).returncode == 2
    assert not path.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_of_nothing_but_itself(
    ucseg: Run, command: str
) -> None:
    answer = ucseg(command, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"Usage: ucseg {command} ")
    assert ucseg(command, "-h").stdout == answer.stdout


def test_the_version_is_shown(ucseg: Run) -> None:
    from ucseg_cli import __version__

    answer = ucseg("--version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"ucseg {__version__}\n", "")


@pytest.mark.parametrize("words", [("show", "\ud800"), ("show", "--export-html", "a\udfff\ud800b")])
def test_a_word_that_no_system_passes_is_not_text(ucseg: Run, words: tuple[str, ...]) -> None:
    answer = ucseg(*words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "is not text" in answer.stderr
    assert ucseg("show", "\udcff.pt").returncode == 2  # as a byte that is not Unicode comes in
