"""An error where an answer was to be: in the forms that systems take which run checks."""

from __future__ import annotations

from ucseg_cli.errors import MistakesError, UcsegError
from ucseg_cli.report.document import Judgement, Report
from ucseg_cli.report.formats.render import render
from ucseg_cli.report.formats.screen import Screen
from ucseg_cli.units import plural

FORMS = ("github", "junit", "sarif", "comment")
"""The formats in which CI systems read failures."""


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
        notes=tuple(_in_words(mistake) for mistake in errors),
        judgements=tuple(_judgement(mistake) for mistake in errors),
    )
    return render(report, form, Screen())


def _judgement(error: UcsegError) -> Judgement:
    path, line = (error.place.path, error.place.line) if error.place else (None, None)
    return Judgement(error.kind, "ucseg", "fail", _in_words(error), path, line)


def _in_words(error: UcsegError) -> str:
    return "; ".join(part for part in (error.what, error.where, error.help) if part)
