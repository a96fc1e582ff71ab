from __future__ import annotations

import csv
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from support.fixture_types import Run, Tables
from ucseg_cli.analysis.rules.fixes import Saving
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.gate.tracing import Request
from ucseg_cli.report.answers.choose.lint import Fix
from ucseg_cli.units import format_percent

EVERY_CODE = ["UC101", "UC103", "UC104", "UC107", "UC102", "UC108", "UC108"]
"""The findings of v2 at 512, in the order of the screen."""


@pytest.fixture
def found(ucseg: Run) -> Callable[..., list[dict[str, Any]]]:
    """The findings of the JSON."""

    def ask(*arguments: str) -> list[dict[str, Any]]:
        findings: list[dict[str, Any]] = json.loads(ucseg("lint", *arguments, "-f", "json").stdout)[
            "findings"
        ]
        return findings

    return ask


def test_the_screen_has_every_finding_with_its_numbers_and_ends_in_one_sentence(
    ucseg: Run, read_tables: Tables
) -> None:
    answer = ucseg("lint", "v2", "--size", "512")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("lint v2\n")
    assert " ".join(answer.stdout.split("\n\n")[-1].split()) == (  # 391,905,280 of 737,104,000
        "4 warnings and 3 infos in v2 at 512; v2+head=before-upsample gives the same output "
        f"with {format_percent(Fraction(391_905_280, 737_104_000))} fewer fvcore FLOPs (UC104)."
    )
    rows = read_tables(ucseg("lint", "v2", "--size", "512", "-f", "markdown").stdout)["Findings"][
        1:
    ]
    assert [row[0] for row in rows] == EVERY_CODE
    findings = json.loads(ucseg("lint", "v2", "--size", "512", "-f", "json").stdout)["findings"]
    assert [row[3] for row in rows] == [finding["message"] for finding in findings]
    assert rows[0][:3] == ["UC101", "! warning", "aspp.branches.3.depthwise"]
    assert rows[0][3].startswith("rate 18 on a 16×16 map")


def test_without_a_model_it_is_v2(ucseg: Run) -> None:
    assert (
        ucseg("lint").stdout
        == ucseg("lint", "v2").stdout
        == ucseg("lint", "--variant", "v2").stdout
    )


def test_json_has_a_finding_s_code_severity_module_evidence_and_fix(ucseg: Run) -> None:
    answer = json.loads(ucseg("lint", "v2", "--size", "512", "-f", "json").stdout)
    assert (answer["kind"], answer["model"]) == ("ucseg.lint", "v2")
    assert [finding["code"] for finding in answer["findings"]] == EVERY_CODE
    assert answer["verdict"]["findings"] == 7
    for finding in answer["findings"]:
        assert finding.keys() == {"code", "severity", "module", "message", "evidence", "fix"}
        assert finding["severity"] == RULES[finding["code"]].severity.name.lower()
        assert all(type(figure) is int for figure in finding["evidence"].values())
    late = next(finding for finding in answer["findings"] if finding["code"] == "UC104")
    products, elements = (512 * 512 - 64 * 64) * 64 * 21, 512 * 512 * (64 - 21)
    assert late["evidence"] == {
        "positions": 512 * 512, "positions_before": 64 * 64, "saved": products + 4 * elements,
    }  # fmt: skip
    assert (late["fix"]["reference"], late["fix"]["exact"]) == ("v2+head=before-upsample", True)
    assert late["fix"]["saving"]["fvcore"] == late["evidence"]["saved"] == 391_905_280
    assert late["fix"]["saving"]["params"] == 0


@pytest.mark.parametrize(
    "name",
    [
        "v1",
        "v2",
        "v3",
        "v2+classes=150",
        "v2+rates=3,18,12",
        "v3+rates=11,2+backbone=12+decoder_channels=5+classes=4",
    ],
)
def test_a_saving_is_the_difference_between_the_model_and_the_fixed_one(
    ucseg: Run, found: Callable[..., list[dict[str, Any]]], name: str
) -> None:
    before = json.loads(ucseg("show", name, "-f", "json").stdout)["total"]
    fixes = [finding["fix"] for finding in found(name) if finding["fix"]]
    assert len({fix["reference"] for fix in fixes}) >= 2
    for fix in fixes:
        after = json.loads(ucseg("show", fix["reference"], "-f", "json").stdout)["total"]
        assert fix["saving"] == {metric: before[metric] - after[metric] for metric in before}


def test_the_screen_prints_the_saving_exactly(ucseg: Run, read_tables: Tables) -> None:
    fixes = read_tables(ucseg("lint", "v2", "--size", "512", "-f", "markdown").stdout)["Fixes"][1:]
    assert [row[:3] for row in fixes] == [
        ["UC101", "v2+rates=6,12", "changes"],
        ["UC103", "v2+rates=3,6,9", "changes"],
        ["UC104", "v2+head=before-upsample", "identical"],
    ]
    peak, before = 66_764_800, 95_256_576
    flops, memory = Fraction(391_905_280, 737_104_000), Fraction(peak, before)
    assert (round(1000 * flops), round(1000 * memory)) == (532, 701)
    assert fixes[2][3] == (
        f"391,905,280 FLOPs (fvcore) ({format_percent(flops)}), "
        f"{peak:,} B peak memory ({format_percent(memory)})"
    )
    assert fixes[1][3] == "no cost change"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        (
            "v2+rates=3,18,12",
            ["v2+rates=3", "v2+rates=1,9,6", "v2+rates=3,18,12+head=before-upsample"],
        ),
        (
            "v2+head=after-upsample+classes=5",
            [
                "v2+head=after-upsample+classes=5+rates=6",
                "v2+head=after-upsample+classes=5+rates=3,6,9",
                "v2+head=before-upsample+classes=5",
            ],
        ),
        ("v2+rates=3+rates=18", ["v2+rates=9", "v2+rates=18+head=before-upsample"]),
    ],
)
def test_a_fix_replaces_an_axis_that_the_reference_already_has(
    found: Callable[..., list[dict[str, Any]]], name: str, instead: list[str]
) -> None:
    assert (
        list(
            dict.fromkeys(finding["fix"]["reference"] for finding in found(name) if finding["fix"])
        )
        == instead
    )


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        (("--select", "UC103"), "1 warning in v2 at 512."),
        (("--select", "UC108"), "2 infos in v2 at 512."),
        (("--ignore", "UC104"), "3 warnings and 3 infos in v2 at 512."),
    ],
)
def test_the_summary_is_a_tally_where_no_fix_that_computes_the_same_is_known(
    ucseg: Run, options: tuple[str, ...], summary: str
) -> None:
    assert ucseg("lint", "v2", "--size", "512", *options).stdout.splitlines()[-1] == summary


def test_a_classifier_that_would_cost_more_before_the_upsample_is_left_there(
    ucseg: Run, found: Callable[..., list[dict[str, Any]]]
) -> None:
    late, early = (
        json.loads(
            ucseg("flops", f"v2+decoder_channels=2+head={head}-upsample", "-f", "json").stdout
        )["total"]["fvcore"]
        for head in ("after", "before")
    )
    assert early > late
    assert "UC104" not in {finding["code"] for finding in found("v2+decoder_channels=2")}


def test_what_costs_more_is_said_as_a_cost() -> None:
    saved, before = (
        {"params": -1_000, "fvcore": 2_000, "peak-memory": 0},
        {"params": 4_000, "fvcore": 16_000, "peak-memory": 5},
    )
    nothing = dict.fromkeys(saved, 0)
    quarter, eighth = format_percent(Fraction(1, 4)), format_percent(Fraction(1, 8))
    assert Fix("UC1", "v2", exact=True, saving=Saving(saved, before)).saves == (
        f"costs 1,000 parameters ({quarter}), 2,000 FLOPs (fvcore) ({eighth})"
    )
    assert Fix("UC1", "v2", exact=True, saving=Saving(nothing, before)).saves == "no cost change"


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (("--select", "UC104"), {"UC104"}),
        (("--select", "UC104", "--select", "UC101"), {"UC101", "UC104"}),
        (("--select", "UC1"), set(EVERY_CODE)),
        (("--ignore", "UC108", "--ignore", "UC107"), {"UC101", "UC102", "UC103", "UC104"}),
        (("--select", "UC10", "--ignore", "UC104"), set(EVERY_CODE) - {"UC104"}),
        (("--select", "UC105"), set()),
    ],
)
def test_rules_are_selected_and_ignored_by_how_they_begin(
    found: Callable[..., list[dict[str, Any]]], options: tuple[str, ...], codes: set[str]
) -> None:
    assert {finding["code"] for finding in found("v2", "--size", "512", *options)} == codes


@pytest.mark.parametrize(
    "options",
    [
        ("--ignore", "UC"),
        ("--ignore", "UC10"),
        ("--select", "UC104", "--ignore", "UC104"),
        ("--select", "UC104", "--ignore", "UC1"),
    ],
)
def test_a_selection_that_leaves_no_rule_is_refused_before_anything_is_measured(
    ucseg: Run, fake_engine: list[Request], options: tuple[str, ...]
) -> None:
    answer = ucseg("lint", "v2", *options)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no rule is left to look for" in answer.stderr
    assert fake_engine == []


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_an_empty_code_is_refused_and_does_not_stand_for_all(
    ucseg: Run, fake_engine: list[Request], option: str
) -> None:
    answer = ucseg("lint", "v2", option, "")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no rule named ''" in answer.stderr
    assert f"--> {option}\n" in answer.stderr
    assert fake_engine == []


@pytest.mark.parametrize("option", ["--select", "--ignore"])
@pytest.mark.parametrize(
    ("word", "nearest"), [("UC1O4", "UC104"), ("uc104", "UC104"), ("UC1044", "UC104")]
)
def test_an_unknown_code_gets_the_nearest(ucseg: Run, option: str, word: str, nearest: str) -> None:
    answer = ucseg("lint", "v2", option, word)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"no rule named '{word}'" in answer.stderr
    assert f"did you mean '{nearest}'?" in answer.stderr
    assert f"{option} {word}" in answer.stderr


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ((), 0),
        (("--fail-on", "never"), 0),
        (("--fail-on", "info"), 1),
        (("--fail-on", "warning"), 1),
        (("--fail-on", "error"), 0),
        (("--fail-on", "warning", "--exit-zero"), 0),
        (("--fail-on", "warning", "--select", "UC108"), 0),
        (("--fail-on", "info", "--select", "UC108"), 1),
        (("--fail-on", "info", "--select", "UC105"), 0),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_it_exits_1_for_findings_that_are_severe_enough_whatever_the_format(
    ucseg: Run, options: tuple[str, ...], status: int, form: str
) -> None:
    answer = ucseg("lint", "v2", *options, "-f", form)
    assert (answer.returncode, answer.stderr) == (status, "")
    assert answer.stdout


def test_an_unknown_severity_gets_the_nearest(ucseg: Run) -> None:
    answer = ucseg("lint", "v2", "--fail-on", "warnings")
    assert answer.returncode == 2
    assert "did you mean 'warning'?" in answer.stderr


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "html"])
def test_where_nothing_is_found_it_says_so(ucseg: Run, form: str) -> None:
    answer = ucseg("lint", "v2", "--select", "UC105", "-f", form)
    assert (answer.returncode, answer.stderr) == (0, "")
    if form == "table":
        assert answer.stdout.splitlines()[-1] == "Nothing found in v2 at 224."
        assert "explain" not in answer.stdout


def test_csv_has_one_line_for_each_finding(ucseg: Run) -> None:
    rows = list(
        csv.DictReader(ucseg("lint", "v2", "--size", "512", "-f", "csv").stdout.splitlines())
    )
    assert [row["code"] for row in rows] == EVERY_CODE
    assert rows[0].keys() == {"code", "severity", "module", "message"}
    assert rows[0]["severity"] == "warning"


def test_the_page_has_findings_and_fixes(ucseg: Run) -> None:
    page = ucseg("lint", "v2", "-f", "html").stdout
    assert page.startswith("<!doctype html>")
    assert "v2+head=before-upsample" in page


def test_the_fixed_variants_are_cached_like_any_other(
    ucseg: Run, fake_engine: list[Request]
) -> None:
    first = ucseg("lint", "v2").stdout
    assert len(fake_engine) == 4
    assert ucseg("lint", "v2").stdout == first
    assert len(fake_engine) == 4


def test_only_what_is_shown_is_measured(ucseg: Run, fake_engine: list[Request]) -> None:
    ucseg("lint", "v2", "--select", "UC107")
    assert len(fake_engine) == 1


@pytest.mark.parametrize("code", RULES)
def test_every_rule_is_explained_with_its_reasoning_and_source(ucseg: Run, code: str) -> None:
    answer = ucseg("explain", code)
    rule = RULES[code]
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines()[0] == f"{code}: {rule.title}."
    assert rule.reasoning in " ".join(answer.stdout.split())
    assert " ".join(answer.stdout.split("\n\n")[-1].split()) == f"Source: {rule.source}"
    assert f"Severity: {rule.severity.name.lower()}." in answer.stdout


def test_a_model_that_does_not_exist_is_an_error_before_anything_is_measured(
    ucseg: Run, fake_engine: list[Request]
) -> None:
    assert ucseg("lint", "v22").returncode == 2
    assert ucseg("lint", "v2", "--size", "512", "--select", "X").returncode == 2
    assert fake_engine == []
