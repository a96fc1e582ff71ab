"""A job on GitHub: the environment it sets, and the files it reads."""

from __future__ import annotations

import os
from pathlib import Path

from ucseg_cli.errors import OutputError, UsageError
from ucseg_cli.report.document import Report

SUMMARY, WORKSPACE = "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"
MOST_BYTES = 1024 * 1024
"""GitHub drops a step's summary that is longer."""


def summary_path() -> Path:
    """The file of the step's summary; raises UsageError outside a job."""
    named = os.environ.get(SUMMARY)
    if not named:
        what, fix = f"{SUMMARY} does not name a file", "elsewhere, use --export-markdown"
        raise UsageError(what, where="--summary", help=f"GitHub sets it; {fix}")
    return Path(named)


def append_summary(report: Report, *, exact: bool) -> None:
    """Append the report as Markdown to the step's summary, shortened if it would be too long.

    Raises OutputError if it cannot be written.
    """
    path = summary_path()
    try:
        with path.open("ab") as file:
            file.write(_fitting(report, MOST_BYTES - file.tell(), exact=exact))
    except OSError as error:
        what = f"cannot write the summary: {error.strerror or error}"
        raise OutputError(what, where=str(path)) from error


def from_workspace(report: Report) -> Report:
    """The report with its paths relative to the root of the checkout, as GitHub needs them."""
    root = os.environ.get(WORKSPACE)
    if not root:
        return report
    judgements = (
        one if one.path is None else one._replace(path=_relative(one.path, Path(root)))
        for one in report.judgements
    )
    return report._replace(judgements=tuple(judgements))


def _fitting(report: Report, room: int, *, exact: bool) -> bytes:
    from ucseg_cli.report.formats.ci.comment import render_comment
    from ucseg_cli.report.formats.markdown import render_markdown

    whole = f"{render_markdown(report, exact=exact)}\n".encode()
    if len(whole) <= room:
        return whole
    short = f"{render_comment(report, exact=exact, most=10_000)}\n".encode()
    return short if len(short) <= room else b""


def _relative(path: str, root: Path) -> str:
    here, top = Path(path).resolve(), root.resolve()
    return here.relative_to(top).as_posix() if here.is_relative_to(top) else path
