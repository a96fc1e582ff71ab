"""JUnit's XML, which most CI systems show: a suite for each model, a case for a judgement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.system.control_characters import escaped

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def render_junit(report: Report) -> str:
    """Every judgement; a warning passes, and is written as the case's output."""
    root = Element("testsuites")
    by_group = sorted(report.judgements, key=lambda judgement: judgement.group)
    for group, judgements in groupby(by_group, key=lambda judgement: judgement.group):
        _suite(root, report, group, list(judgements))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(root: Element, report: Report, group: str, judgements: Sequence[Judgement]) -> None:
    failures = sum(judgement.status == "fail" for judgement in judgements)
    name = f"{report.kind}.{_text(group)}"
    counts = {
        "tests": str(len(judgements)),
        "failures": str(failures),
        "errors": "0",
        "skipped": "0",
        "time": "0",
    }
    suite = SubElement(root, "testsuite", {"name": name, **counts})
    for judgement in judgements:
        case = SubElement(
            suite, "testcase", classname=name, name=_text(_unique_name(judgement)), time="0"
        )
        if judgement.status == "fail":
            failure = SubElement(
                case, "failure", message=_text(judgement.message), type=report.kind
            )
            failure.text = _text(_placed(judgement))
        elif judgement.status == "warn":
            SubElement(case, "system-out").text = _text(_placed(judgement))


def _unique_name(judgement: Judgement) -> str:
    """A name that no other case has: of two with one, GitLab shows the first."""
    module = judgement.module or ""
    return judgement.name if module in judgement.name else f"{judgement.name} {module}"


def _placed(judgement: Judgement) -> str:
    return (
        f"{judgement.message}\n{judgement.path}:{judgement.line}"
        if judgement.path
        else judgement.message
    )


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", escaped(text))
