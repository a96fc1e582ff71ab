from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from support.fixture_types import Run
from support.screens import unwrapped, verdict
from ucseg_cli.analysis.counting.fold_batch_norms import Folding, Kept, Pair
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.trace import Trace
from ucseg_cli.report.document import Report
from ucseg_cli.report.parts.folding_notes import after_folding

FOLDED = {
    "show": ["show", "v2"],
    "params": ["params", "v2"],
    "flops": ["flops", "v2"],
    "compare": ["compare", "v2", "v2"],
    "check": ["check", "v2", "--max", "params=645k"],
}


@pytest.fixture
def asked(ucseg: Run) -> Callable[..., Any]:
    return lambda *arguments: json.loads(ucseg(*arguments, "-f", "json").stdout)


@pytest.mark.parametrize("command", FOLDED)
def test_the_screen_says_what_was_folded_in_its_conditions_and_in_its_sentence(
    ucseg: Run, command: str
) -> None:
    screen = ucseg(*FOLDED[command], "--deploy").stdout
    assert "deploy 44 batch norms folded" in unwrapped(screen)
    assert verdict(screen).startswith("After folding 44 batch norms, ")


@pytest.mark.parametrize("command", FOLDED)
def test_the_json_says_it_in_its_conditions(asked: Callable[..., Any], command: str) -> None:
    answer = asked(*FOLDED[command], "--deploy")
    assert answer["conditions"]["deploy"] == [{"model": "v2", "folded": 44, "kept": []}]
    assert "deploy" not in asked(*FOLDED[command])["conditions"]
    if command in {"check", "compare"}:
        assert answer["verdict"]["summary"].startswith("After folding 44 batch norms, ")


def test_v2_is_smaller_and_cheaper_by_its_norms(asked: Callable[..., Any]) -> None:
    total = asked("show", "v2", "--deploy")["total"]
    assert total["params"] == 640_037
    assert total["buffers"] == 0
    assert total["fvcore"] == 138_145_024
    assert total["macs"] == 124_824_864


@pytest.mark.parametrize(("deploy", "status"), [([], 1), (["--deploy"], 0)])
def test_a_limit_is_held_to_the_folded_network(ucseg: Run, deploy: list[str], status: int) -> None:
    assert ucseg("check", "v2", "--max", "params=645k", *deploy).returncode == status


def test_both_sides_of_a_comparison_are_folded_and_rows_add_up(asked: Callable[..., Any]) -> None:
    answer = asked("compare", "v1", "v2", "v3", "--deploy")
    assert [(row["model"], row["folded"]) for row in answer["conditions"]["deploy"]] == [
        ("v1", 34),
        ("v2", 44),
        ("v3", 47),
    ]
    for delta in (
        delta
        for delta in answer["deltas"]
        if delta["metric"] in {"params", "fvcore", "macs", "torch"}
    ):
        rows = [
            module[delta["metric"]]
            for module in answer["modules"]
            if module["model"] == delta["model"]
        ]
        assert sum(row["delta"] for row in rows) == delta["delta"]


def test_several_models_each_have_their_own_number(ucseg: Run) -> None:
    answer = ucseg("compare", "v1", "v2", "--deploy").stdout
    assert "deploy batch norms folded: v1 34, v2 44" in answer.splitlines()
    assert verdict(answer).startswith(
        "After folding batch norms, v2 has 35.7% more parameters than v1 (+168k"
    )


def test_variants_between_two_folded_ones_are_folded_too_and_cached_separately(
    asked: Callable[..., Any],
) -> None:
    before = asked("compare", "v1", "v2")
    deployed = asked("compare", "v1", "v2", "--deploy")
    assert (
        alone(deployed, "params")["backbone"] == 292_848
    )  # 294,096 without the norms' 1,248 channels
    assert alone(before, "params")["backbone"] == 294_096
    assert alone(deployed, "macs") == alone(before, "macs")
    assert asked("compare", "v1", "v2") == before
    assert asked("compare", "v1", "v2", "--deploy") == deployed


def alone(answer: Any, metric: str) -> dict[str, int]:
    """The effect of each axis by itself."""
    (found,) = (row for row in answer["attribution"] if row["metric"] == metric)
    return {axis["axis"]: axis["alone"] for axis in found["effects"]}


def test_a_norm_that_stays_is_named_with_the_reason() -> None:
    trace = Trace((), (), (), (), (), (), ())
    folding = Folding(
        trace, (Pair("a.0", "a.1"),), (Kept("b", "it is odd"), Kept("", "so is this"))
    )
    report = Report("ucseg.params", "params", {}, (), "It has none.", {"conditions": {}})
    shown = after_folding(report, [Subject("net", trace, folding=folding)])
    assert shown.conditions == {"deploy": "1 batch norm folded"}
    assert shown.summary == "After folding 1 batch norm, It has none."
    assert shown.notes == (
        "The batch norm in b of net is not folded: it is odd.",
        "The batch norm in the model itself of net is not folded: so is this.",
    )
    assert shown.payload["conditions"]["deploy"] == [
        {
            "model": "net",
            "folded": 1,
            "kept": [
                {"module": "b", "reason": "it is odd"},
                {"module": "", "reason": "so is this"},
            ],
        }
    ]


def test_a_report_on_networks_as_they_are_is_left_alone() -> None:
    report = Report("ucseg.params", "params", {}, (), "It has none.", {})
    assert after_folding(report, [Subject("net", Trace((), (), (), (), (), (), ()))]) is report
