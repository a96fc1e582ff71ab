"""Judgements as SARIF 2.1.0, the form in which code scanners speak to each other."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.system.control_characters import escaped_in_json

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"fail": "error", "warn": "warning", "info": "note"}


def render_sarif(report: Report) -> str:
    """One run, with its rules and a result for everything that did not pass."""
    from ucseg_cli import __version__

    found = [judgement for judgement in report.judgements if judgement.status in _LEVELS]
    names = list(
        dict.fromkeys(
            (*(rule.code for rule in report.rules), *(judgement.name for judgement in found))
        )
    )
    driver = {
        "name": "ucseg",
        "version": __version__,
        "rules": [_rule(report, name) for name in names],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(judgement, names) for judgement in found],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return escaped_in_json(text) + "\n"


def _rule(report: Report, name: str) -> dict[str, Any]:
    known = next((rule for rule in report.rules if rule.code == name), None)
    if known is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": known.title},
        "fullDescription": {"text": known.reasoning},
        "help": {"text": f"{known.reasoning} `ucseg explain {name}` says more."},
    }


def _result(judgement: Judgement, names: list[str]) -> dict[str, Any]:
    return {
        "ruleId": judgement.name,
        "ruleIndex": names.index(judgement.name),
        "level": _LEVELS[judgement.status],
        "message": {"text": judgement.message},
        "locations": [_location(judgement)],
        "partialFingerprints": {
            "model/v1": f"{judgement.group}:{judgement.module or ''}:{judgement.name}"
        },
    }


def _location(judgement: Judgement) -> dict[str, Any]:
    """The module within the model, and the line of a file where there is one."""
    full = f"{judgement.group}.{judgement.module}" if judgement.module else judgement.group
    logical = [
        {"name": judgement.module or judgement.group, "fullyQualifiedName": full, "kind": "module"}
    ]
    if judgement.path is None:
        return {"logicalLocations": logical}
    region = {"startLine": judgement.line or 1}
    place = {
        "artifactLocation": {"uri": quote(judgement.path.encode("utf-8", "surrogatepass"))},
        "region": region,
    }
    return {"physicalLocation": place, "logicalLocations": logical}
