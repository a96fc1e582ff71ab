"""Judgements as GitHub's workflow commands, which it shows beside the lines they are about."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.report.formats.cells import inert_lines, one_line
from ucseg_cli.system.control_characters import escaped
from ucseg_cli.units import plural

CAP = 10
"""GitHub shows as many errors, and as many warnings, of one step; the rest it drops in silence."""
_COMMANDS = {"fail": "error", "warn": "warning"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render_github(report: Report) -> str:
    """A command for each failure and warning, the worst first, and the summary as a line.

    What is beyond the cap is counted by the last command of its kind.
    """
    lines = [
        line
        for status in _COMMANDS
        for line in _commands(
            [judgement for judgement in report.judgements if judgement.status == status],
            report.title,
        )
    ]
    return "\n".join((*lines, inert_lines(one_line(report.summary)))) + "\n"


def _commands(judgements: Sequence[Judgement], title: str) -> list[str]:
    worst = sorted(judgements, key=lambda judgement: -judgement.weight)
    shown, others = (worst, []) if len(worst) <= CAP else (worst[: CAP - 1], worst[CAP - 1 :])
    told = [
        _command(
            judgement.status,
            f"{judgement.name} ({judgement.group})",
            judgement.message,
            judgement.path,
            judgement.line,
        )
        for judgement in shown
    ]
    if others:
        names = ", ".join(judgement.name for judgement in others)
        told.append(
            _command(
                others[0].status, title, f"{plural(len(others), 'other')}: {names}", None, None
            )
        )
    return told


def _command(status: str, title: str, message: str, path: str | None, line: int | None) -> str:
    place = {"file": path, "line": line} if path else {}
    properties = ",".join(
        f"{key}={escaped(str(value).translate(_PROPERTY))}"
        for key, value in {**place, "title": title}.items()
    )
    return f"::{_COMMANDS[status]} {properties}::{escaped(message.translate(_DATA))}"
