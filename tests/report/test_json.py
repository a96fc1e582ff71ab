from __future__ import annotations

import json
from fractions import Fraction

import pytest

from ucseg_cli.errors import UnknownNameError
from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.json import render_json, render_json_error


def test_json_is_the_envelope_and_the_payload_and_reads_back(params: Report) -> None:
    text = render_json(params)
    parsed = json.loads(text)
    assert text.endswith("}\n")
    assert list(parsed)[:4] == ["kind", "format_version", "tool", "conditions"]
    assert parsed["total"]["params"] == 1_600_000
    assert parsed["conditions"]["input"] == "1×3×224×224"
    assert "×" in text


@pytest.mark.parametrize("value", [Fraction(1, 3), object(), {1, 2}])
def test_a_value_that_json_cannot_say_exactly_is_refused(params: Report, value: object) -> None:
    with pytest.raises(TypeError):
        render_json(params._replace(payload={"share": value}))


def test_a_name_that_is_not_unicode_can_still_be_written(params: Report) -> None:
    text = render_json(params._replace(payload={"path": "caf\udce9.py"}))
    assert json.loads(text.encode("utf-8"))["path"] == "caf\udce9.py"


def test_an_error_has_the_same_envelope() -> None:
    parsed = json.loads(
        render_json_error(UnknownNameError("variant", "v22", ("v1", "v2"), where="ucseg.toml:3"))
    )
    assert parsed["kind"] == "ucseg.error"
    assert parsed["tool"]["name"] == "ucseg"
    assert parsed["error"] == {
        "kind": "unknown-name",
        "message": "no variant named 'v22'",
        "where": "ucseg.toml:3",
        "notes": ["known: v1, v2"],
        "help": "did you mean 'v2'?",
        "exit_status": 2,
    }
