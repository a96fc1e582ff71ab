"""A report, or an error, as one JSON object with raw integers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ucseg_cli.errors import UcsegError
from ucseg_cli.report.document import Report


def render_json(report: Report) -> str:
    """The envelope and the payload. Raises TypeError for a value that JSON cannot say exactly, such as a Fraction."""
    return _write(report.envelope)


def render_json_error(error: UcsegError) -> str:
    """The same envelope with what went wrong, so that a script parses one shape whatever happens."""
    failure = {
        "kind": error.kind,
        "message": error.what,
        "where": error.where,
        "notes": list(error.notes),
        "help": error.help,
        "exit_status": int(error.exit_status),
    }
    return render_json(Report("ucseg.error", "error", {}, (), error.what, {"error": failure}))


def _write(envelope: Mapping[str, Any]) -> str:
    # NaN is not JSON; a lone surrogate (a file name that is not UTF-8) cannot be written, its escape can.
    text = json.dumps(envelope, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
