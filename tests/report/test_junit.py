from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xmlschema import XMLSchema

from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.report.formats.ci.junit import render_junit
from ucseg_cli.system.control_characters import escaped

Run = Callable[..., CompletedProcess[str]]
Read = Callable[[str], ET.Element]

SCHEMA = Path(__file__).parents[1] / "data" / "junit-10.xsd"
ANY_CHARACTER = st.text(st.characters(exclude_categories=()), max_size=20)
"""Surrogates and control codes too."""
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@pytest.fixture(scope="module")
def read() -> Read:
    """The root of a document that holds to the schema of Jenkins' xUnit plugin."""
    schema = XMLSchema(SCHEMA)

    def parse(text: str) -> ET.Element:
        root = ET.fromstring(text.encode())
        schema.validate(root)
        return root

    return parse


def _report(*judgements: Judgement) -> Report:
    return Report("ucseg.check", "check", {}, (), "Done.", {}, judgements=judgements)


def test_there_is_a_suite_for_each_model_and_a_case_for_each_judgement(read: Read) -> None:
    judged = [
        ("a", "v2", "pass"),
        ("b", "v1", "fail"),
        ("c", "v2", "fail"),
        ("d", "v2", "warn"),
        ("e", "v2", "info"),
    ]
    root = read(render_junit(_report(*(Judgement(*given, "…") for given in judged))))
    assert {suite.get("name"): [case.get("name") for case in suite] for suite in root} == {
        "ucseg.check.v1": ["b"],
        "ucseg.check.v2": ["a", "c", "d", "e"],
    }
    assert {case.get("classname") for case in root[1]} == {"ucseg.check.v2"}


def test_every_suite_counts_its_cases(read: Read) -> None:
    judged = [
        Judgement(f"{status}-{n}", "v2", status, "…")
        for status in ("fail", "warn", "pass")
        for n in range(3)
    ]
    (suite,) = read(render_junit(_report(*judged, judged[0])))
    assert suite.attrib == {
        "name": "ucseg.check.v2",
        "tests": "10",
        "failures": "4",
        "errors": "0",
        "skipped": "0",
        "time": "0",
    }
    assert len(suite.findall("testcase")) == 10
    assert len(suite.findall("testcase/failure")) == 4


def test_a_failure_has_its_message_and_the_line_to_edit(read: Read) -> None:
    ((case,),) = read(
        render_junit(_report(Judgement("a", "v2", "fail", "45 over", "pyproject.toml", 12)))
    )
    (failure,) = case
    assert (failure.tag, failure.attrib) == (
        "failure",
        {"message": "45 over", "type": "ucseg.check"},
    )
    assert failure.text == "45 over\npyproject.toml:12"


def test_a_warning_passes_and_is_written_as_output_and_a_pass_says_nothing(read: Read) -> None:
    warned, passed = (
        Judgement("a", "v2", "warn", "near"),
        Judgement("b", "v2", "pass", "within its limit"),
    )
    ((first, second),) = read(render_junit(_report(warned, passed)))
    assert [(child.tag, child.text) for child in first] == [("system-out", "near")]
    assert list(second) == []


def test_nothing_judged_is_no_suite(read: Read) -> None:
    assert list(read(render_junit(_report()))) == []


def test_what_xml_cannot_hold_is_written_out(read: Read) -> None:
    judgement = Judgement("\x1b[31m", "v\x00", "fail", "a\x08b\ud800c\ufffed <&> ]]>", "x\x01", 1)
    ((case,),) = read(render_junit(_report(judgement)))
    (failure,) = case
    assert (case.get("name"), case.get("classname")) == (r"\x1b[31m", r"ucseg.check.v\x00")
    assert failure.get("message") == r"a\x08b\ud800c" + "\ufffdd <&> ]]>"
    assert failure.text == r"a\x08b\ud800c" + "\ufffdd <&> ]]>\n" + r"x\x01:1"


@given(
    name=ANY_CHARACTER,
    message=ANY_CHARACTER,
    status=st.sampled_from(["pass", "warn", "fail", "info"]),
)
def test_any_text_is_valid_and_reads_back_but_for_what_xml_cannot_hold(
    read: Read, name: str, message: str, status: str
) -> None:
    ((case,),) = read(render_junit(_report(Judgement(name, "v2", status, message))))
    assert case.get("name") == NOT_IN_XML.sub("\ufffd", escaped(name))
    shown = [failure.get("message") for failure in case.findall("failure")]
    expected = NOT_IN_XML.sub("\ufffd", escaped(message))
    assert shown == ([expected] if status == "fail" else [])


def test_check_reports_every_limit(ucseg: Run, read: Read) -> None:
    limits = ("-m", "params=600k", "-m", "fvcore=1G")
    answer = ucseg("check", "v1", "v2", *limits, "--size", "64", "--size", "96x64", "-f", "junit")
    suites = read(answer.stdout)
    assert answer.returncode == 1
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites] == [
        ("ucseg.check.v1", "3", "0"),
        ("ucseg.check.v2", "3", "1"),
    ]
    (failure,) = suites.findall(".//failure")
    assert failure.get("message") == "v2 has 645,245 parameters, 45,245 over its limit of 600,000."


def test_lint_reports_every_rule_that_was_looked_for(ucseg: Run, read: Read) -> None:
    (suite,) = read(
        ucseg(
            "lint", "-s", "512", "-f", "junit", "--fail-on", "warning", "--ignore", "UC108"
        ).stdout
    )
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {
        "UC101 aspp.branches.3.depthwise",
        "UC103 aspp.branches",
        "UC104 classifier.1",
        "UC107 aspp.branches.4.2",
    }
    assert {str(case.get("name")).partition(" ")[0] for case in suite} == set(RULES) - {"UC108"}
    assert len({case.get("name") for case in suite}) == len(suite)


def test_verify_reports_every_counter(ucseg: Run, read: Read) -> None:
    (suite,) = read(ucseg("verify", "--size", "16", "-f", "junit").stdout)
    assert [case.get("name") for case in suite] == [*("numel", "fvcore", "activations", "torch")]
    assert suite.get("failures") == "0"
