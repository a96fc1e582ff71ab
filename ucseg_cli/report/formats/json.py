"""A report, or an error, as one JSON object with raw integers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ucseg_cli import __version__
from ucseg_cli.errors import MistakesError, UcsegError
from ucseg_cli.report.document import Report
from ucseg_cli.system.control_characters import escaped_in_json

FORMAT_VERSION = "1.0"
"""MAJOR.MINOR of the JSON; a minor version only adds."""


def render_json(report: Report) -> str:
    """The envelope and the payload. Raises TypeError for a value such as a Fraction."""
    return _write(_envelope(report))


def render_json_error(error: UcsegError) -> str:
    """The same envelope with what went wrong, so that a script parses one shape whatever happens.

    Of several mistakes ``error`` is the first, and ``errors`` are all.
    """
    payload: dict[str, Any] = {"error": _failure(error)}
    if isinstance(error, MistakesError):
        payload["errors"] = [_failure(mistake) for mistake in error.errors]
    return render_json(Report("ucseg.error", "error", {}, (), error.what, payload))


def _envelope(report: Report) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "format_version": FORMAT_VERSION,
        "tool": {"name": "ucseg", "version": __version__},
        "conditions": dict(report.conditions),
        **report.payload,
        "verdict": {**report.payload.get("verdict", {}), "summary": report.summary},
    }


def _failure(error: UcsegError) -> dict[str, Any]:
    return {
        "kind": error.kind,
        "message": error.what,
        "where": error.where,
        "notes": list(error.notes),
        "help": error.help,
        "exit_status": int(error.exit_status),
    }


def _write(envelope: Mapping[str, Any]) -> str:
    # NaN is not JSON. A lone surrogate (a file name that is not UTF-8) is written as its escape.
    text = json.dumps(envelope, indent=2, ensure_ascii=False, allow_nan=False, default=_listed)
    return escaped_in_json(text) + "\n"


def _listed(value: object) -> list[object]:
    """A sequence of another type as a list. Raises TypeError for anything else."""
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
