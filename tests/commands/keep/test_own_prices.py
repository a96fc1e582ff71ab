"""Prices of a project in every answer: counted, named, locked, and part of what is cached."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run, TraceOf
from support.screens import verdict
from support.spaces import STORED
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.gate import tracing
from ucseg_cli.project.lock_file import NAME
from ucseg_cli.references.variants import as_variant

Configure = Callable[..., None]
NOTE = "hardswish has a price of this project under macs"
VARY = tuple(word for axis, text in STORED.items() for word in ("--vary", f"{axis}={text}"))


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Write a configuration that prices hardswish under macs."""

    def write(formula: str = "3*out[0].numel", more: str = "") -> None:
        text = f'[[prices]]\nop = "hardswish"\nmacs = "{formula}"\n{more}'
        (tmp_path / "ucseg.toml").write_text(text, encoding="utf-8")

    write()
    return write


@pytest.fixture
def hardswish(trace_of: TraceOf) -> Callable[[str], int]:
    """The elements that go through hardswish in a model at 224."""

    def count(model: str) -> int:
        trace = trace_of(as_variant(model), Conditions())
        calls = (op for op in trace.ops if op.name == "hardswish_")
        return sum(trace.tensors[op.outputs[0]].numel for op in calls)

    return count


def answer(ucseg: Run, *words: str, status: int = 0) -> Any:
    done = ucseg(*words, "-f", "json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def macs(trace_of: TraceOf, model: str) -> int:
    return totals(trace_of(as_variant(model), Conditions()))["macs"]


def test_flops_counts_what_the_project_prices_and_says_so(
    ucseg: Run, configure: Configure, trace_of: TraceOf, hardswish: Callable[[str], int]
) -> None:
    configure()
    found = answer(ucseg, "flops", "v2", "-c", "macs")
    assert found["total"]["macs"] == macs(trace_of, "v2") + 3 * hardswish("v2")
    assert {"op": "hardswish", "calls": 15} not in found["uncounted"]
    assert found["conditions"]["prices"] == [
        {"op": "hardswish", "convention": "macs", "formula": "3*out[0].numel", "calls": 15}
    ]
    screen = ucseg("flops", "v2", "-c", "macs").stdout
    assert f"{NOTE}, in 15 calls (ucseg.toml:3)." in screen


@pytest.mark.parametrize(
    "words",
    [
        ("show", "v2"),
        ("compare", "v1", "v2"),
        ("check", "v2", "--max", "macs=1G"),
        ("lint", "v2"),
        ("shrink", "v2"),
        ("flops", "v2", "--intensity"),
    ],
)
def test_every_answer_that_counts_operations_names_the_prices(
    ucseg: Run, configure: Configure, words: tuple[str, ...]
) -> None:
    configure()
    assert NOTE in " ".join(ucseg(*words).stdout.split())
    assert answer(ucseg, *words)["conditions"]["prices"][0]["calls"] >= 15


@pytest.mark.parametrize("command", ["params", "memory", "probe", "reach"])
def test_an_answer_without_operations_names_none(
    ucseg: Run, configure: Configure, command: str
) -> None:
    configure()
    assert "has a price" not in ucseg(command, "v2").stdout
    assert "prices" not in answer(ucseg, command, "v2")["conditions"]


def test_a_price_that_no_model_of_the_answer_needs_is_not_named(
    ucseg: Run, configure: Configure, tmp_path: Path
) -> None:
    configure()
    (tmp_path / "ucseg.toml").write_text('[[prices]]\nop = "a::b"\nall = "in[7].numel"\n')
    assert "has a price" not in ucseg("flops", "v2").stdout
    assert "prices" not in answer(ucseg, "flops", "v2")["conditions"]


def test_other_counters_are_compared_with_their_own_prices_alone(
    ucseg: Run, configure: Configure, trace_of: TraceOf
) -> None:
    configure()
    found = answer(ucseg, "verify", "v2", "--size", "16")
    assert found["verdict"]["status"] == "agrees"
    assert "prices" not in found["conditions"]
    reconciled = answer(ucseg, "flops", "v2", "--reconcile")["reconciliation"]
    plain = {one["name"]: one["total"] for one in reconciled if one["figure"] == "macs"}
    assert plain["torch"] == 2 * macs(trace_of, "v2")


def test_an_attribution_that_is_cached_is_not_taken_for_one_with_other_prices(
    ucseg: Run, configure: Configure, trace_of: TraceOf, hardswish: Callable[[str], int]
) -> None:
    deeper = "v1+backbone=11"
    for times in (0, 3, 0):
        configure(f"{times}*out[0].numel")
        found = answer(ucseg, "compare", "v1", "v2")
        (shares,) = (one for one in found["attribution"] if one["metric"] == "macs")
        (backbone,) = (one for one in shares["effects"] if one["axis"] == "backbone")
        alone = macs(trace_of, deeper) - macs(trace_of, "v1")
        assert backbone["alone"] == alone + times * (hardswish(deeper) - hardswish("v1"))


def test_a_sweep_that_is_cached_is_not_taken_for_one_with_other_prices(
    ucseg: Run, configure: Configure, trace_of: TraceOf, hardswish: Callable[[str], int]
) -> None:
    for times in (0, 3, 0):
        configure(f"{times}*out[0].numel")
        found = answer(ucseg, "sweep", "v1", *VARY)
        by_name = {one["reference"]: one["metrics"]["macs"] for one in found["variants"]}
        assert by_name["v1"] == macs(trace_of, "v1") + times * hardswish("v1")
        assert found["conditions"]["prices"][0]["calls"] is None
    assert f"{NOTE}, where a model has it (ucseg.toml:3)." in ucseg("sweep", "v1", *VARY).stdout


def test_the_cache_itself_is_of_passes_and_knows_no_prices(
    ucseg: Run, configure: Configure, fake_engine: list[tracing.Request]
) -> None:
    configure()
    ucseg("flops", "v2")
    configure("5*out[0].numel")
    ucseg("flops", "v2")
    assert len(fake_engine) == 1


def test_a_price_is_locked_with_the_models_that_have_the_operator(
    ucseg: Run, configure: Configure, tmp_path: Path
) -> None:
    configure(more='[[prices]]\nop = "a::b"\nall = 1\n')
    assert ucseg("lock", "v2", "-s", "32").returncode == 0
    block = json.loads((tmp_path / NAME).read_text("utf-8"))["models"]["v2"]
    assert block["prices"] == {"hardswish": {"macs": "3*out[0].numel"}}
    assert verdict(ucseg("check", "--locked").stdout).endswith("1 model as locked in " + NAME + ".")


def test_another_price_is_drift_with_both_formulas_and_what_it_changes(
    ucseg: Run, configure: Configure
) -> None:
    configure()
    ucseg("lock", "v2", "-s", "32")
    configure("4*out[0].numel")
    found = answer(ucseg, "check", "--locked", status=1)["lock"]["drift"]
    assert (found[0]["kind"], found[0]["name"], found[0]["figure"]) == (
        "price",
        "hardswish",
        "macs",
    )
    assert (found[0]["before"], found[0]["after"]) == ("3*out[0].numel", "4*out[0].numel")
    assert {one["figure"] for one in found[1:]} == {"macs"}
    assert answer(ucseg, "lock", status=1)["verdict"]["status"] == "fail"
    assert ucseg("lock", "--reason", "as the kernel does").returncode == 0


def test_a_formula_that_is_written_otherwise_is_drift_although_no_total_is(
    ucseg: Run, configure: Configure
) -> None:
    configure("2*out[0].numel")
    ucseg("lock", "v2", "-s", "32")
    configure("out[0].numel*2")
    found = answer(ucseg, "check", "--locked", status=1)["lock"]["drift"]
    assert [one["kind"] for one in found] == ["price"]
    assert answer(ucseg, "lock")["models"][0]["state"] == "changed"


def test_without_prices_a_lock_says_nothing_of_them(
    ucseg: Run, configure: Configure, tmp_path: Path
) -> None:
    configure()
    (tmp_path / "ucseg.toml").write_text("size = 32\n", encoding="utf-8")
    ucseg("lock", "v2")
    assert "prices" not in json.loads((tmp_path / NAME).read_text("utf-8"))["models"]["v2"]


def test_a_price_without_a_value_ends_the_command_at_its_line(
    ucseg: Run, configure: Configure
) -> None:
    configure("in[3].numel")
    done = ucseg("flops", "v2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "error: 'in[3].numel' has no value for a call of hardswish_: there is no in[3], only 1"
    )
    assert "--> ucseg.toml:3" in done.stderr
