"""An error where an answer was to be: in the forms that systems take which run checks."""

from __future__ import annotations

import re

from ucseg_cli.errors import MistakesError, UcsegError
from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.report.formats.render import render
from ucseg_cli.report.formats.screen import Screen
from ucseg_cli.units import plural

FORMS = ("github", "junit", "sarif", "comment")
"""In which who runs checks is told of mistakes."""
_PLACE = re.compile(r"(?P<path>[^\s:]+\.(?:toml|json)):(?P<line>\d+)")


def render_error(error: UcsegError, form: str, command: str) -> str:
    """Each mistake as a failure at its line, in the place of *command*'s answer."""
    errors = error.errors if isinstance(error, MistakesError) else (error,)
    summary = (
        error.what
        if len(errors) == 1
        else f"{plural(len(errors), 'mistake')}, the first: {error.what}"
    )
    report = Report(
        kind=f"ucseg.{command}",
        title="ucseg has no verdict",
        conditions={},
        tables=(),
        summary=summary,
        payload={"verdict": {"status": "fail"}},
        notes=tuple(_told(each) for each in errors),
        judgements=tuple(_judgement(each) for each in errors),
    )
    return render(report, form, Screen())


def _judgement(error: UcsegError) -> Judgement:
    place = _PLACE.search(error.where or "")
    path, line = (place["path"], int(place["line"])) if place else (None, None)
    return Judgement(error.kind, "ucseg", "fail", _told(error), path, line)


def _told(error: UcsegError) -> str:
    return "; ".join(part for part in (error.what, error.where, error.help) if part)
