from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Run, WriteWeights
from support.screens import verdict
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.gate import tracing
from ucseg_cli.references import FromCheckpoint
from ucseg_cli.references.variants import CATALOGUE


@pytest.fixture
def weights(tmp_path: Path, write_weights: WriteWeights) -> str:
    write_weights(tmp_path / "v2.safetensors", CATALOGUE["v2"])
    return "v2.safetensors"


def test_a_bare_state_dict_has_the_parameters_of_its_network(ucseg: Run, weights: str) -> None:
    answer = ucseg("params", weights)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert verdict(answer.stdout).startswith("v2.safetensors has 645,245 parameters")


@pytest.mark.parametrize("depth", ["1", "2", "5"])
def test_modules_have_the_parameters_and_buffers_that_the_network_s_have(
    ucseg: Run, weights: str, depth: str
) -> None:
    ours, theirs = (
        {
            module["path"]: (module["params"], module["buffers"])
            for module in json.loads(ucseg("params", name, "-f", "json", "-d", depth).stdout)[
                "modules"
            ]
        }
        for name in (weights, "v2")
    )
    assert {path: theirs[path] for path in ours} == ours
    assert all(figures == (0, 0) for path, figures in theirs.items() if path not in ours)


def test_figures_that_a_checkpoint_does_not_hold_are_missing(ucseg: Run, weights: str) -> None:
    answer = json.loads(ucseg("params", weights, "-f", "json").stdout)
    assert answer["total"] == {
        "params": 645_245,
        "trainable": None,
        "frozen": None,
        "buffers": 10_460,
        "bytes": 2_622_996,
    }
    assert {module["trainable"] for module in answer["modules"]} == {None}
    assert answer["conditions"]["format"] == "safetensors"
    assert "a checkpoint does not say what is trainable" in ucseg("params", weights).stdout


@pytest.mark.parametrize("options", [[], ["--top", "3"], ["--sort", "path"]], ids=" ".join)
def test_on_the_screen_it_is_a_dash_also_in_sums(
    ucseg: Run, weights: str, options: list[str]
) -> None:
    lines = ucseg("params", weights, *options).stdout.splitlines()
    header = next(line for line in lines if line.startswith("module "))
    at = slice(header.index("trainable"), header.index("buffers"))
    rows = [
        line
        for line in lines
        if line.startswith(("features", "aspp", "total", "12 others", "17 others"))
    ]
    assert rows
    assert all(row[at].split() == ["–", "–"] for row in rows)


def test_folding_takes_a_forward_pass(ucseg: Run, weights: str) -> None:
    answer = ucseg("params", weights, "--deploy")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--> --deploy" in answer.stderr


@pytest.mark.parametrize("command", ["flops", "probe", "memory", "reach", "verify"])
def test_what_needs_a_forward_pass_says_that_there_is_none(
    ucseg: Run, weights: str, command: str
) -> None:
    answer = ucseg(command, weights)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "a state dict has no forward pass" in answer.stderr


@pytest.mark.parametrize("metric", ["trainable", "frozen"])
def test_no_limit_is_checked_on_a_figure_that_a_checkpoint_does_not_hold(
    ucseg: Run, weights: str, metric: str
) -> None:
    answer = ucseg("check", weights, "--max", f"{metric}=1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"does not say what is trainable, so it has no {metric}" in answer.stderr
    assert ucseg("check", weights, "--max", "params=645245", "--max", "bytes=3MB").returncode == 0


def test_the_gate_reads_a_checkpoint_once_and_never_keeps_it(
    weights: str, fake_engine: list[tracing.Request], cache_directory: Path
) -> None:
    from ucseg_cli.gate.cache import Cache

    requests = [
        tracing.Request(FromCheckpoint(weights), Conditions(batch=batch)) for batch in (1, 2)
    ]
    traces = tracing.trace_all(
        requests,
        Cache(cache_directory, warn=pytest.fail),
        lambda _: pytest.fail("it was announced"),
    )
    assert traces[requests[0]] is traces[requests[1]]
    assert not fake_engine
    assert not list(cache_directory.rglob("*.*"))


def test_no_counter_runs_a_checkpoint(weights: str) -> None:
    with pytest.raises(ModelError, match="no forward pass"):
        tracing.count_with_others(tracing.Request(FromCheckpoint(weights), Conditions()))
