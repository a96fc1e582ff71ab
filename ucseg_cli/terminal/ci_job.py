"""What a job on GitHub tells over its environment, and takes over files."""

from __future__ import annotations

import os
from pathlib import Path

from ucseg_cli.errors import OutputError, UsageError
from ucseg_cli.report.document import Report

SUMMARY, WORKSPACE = "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"
MOST_BYTES = 1024 * 1024
"""What GitHub takes for one step's summary; it drops a longer one whole."""


def summary_path() -> Path:
    """The file of the step's summary; raises UsageError outside a job."""
    named = os.environ.get(SUMMARY)
    if not named:
        raise UsageError(
            f"{SUMMARY} does not name a file",
            where="--summary",
            help="GitHub sets it; elsewhere use --export-markdown",
        )
    return Path(named)


def append_summary(report: Report, *, exact: bool) -> None:
    """Append the report as Markdown to the step's summary; shortened where that would be too long for it.

    Raises OutputError where it cannot be written.
    """
    path = summary_path()
    try:
        with path.open("ab") as file:
            file.write(_fitting(report, MOST_BYTES - file.tell(), exact=exact))
    except OSError as error:
        raise OutputError(
            f"cannot write the summary: {error.strerror or error}", where=str(path)
        ) from error


def from_workspace(report: Report) -> Report:
    """The report with its paths as seen from the root of the checkout, which is how GitHub takes them."""
    root = os.environ.get(WORKSPACE)
    if not root:
        return report
    judged = (
        each._replace(path=_relative(each.path, Path(root))) if each.path is not None else each
        for each in report.judgements
    )
    return report._replace(judgements=tuple(judged))


def _fitting(report: Report, room: int, *, exact: bool) -> bytes:
    from ucseg_cli.report.formats.comment import render_comment
    from ucseg_cli.report.formats.markdown import render_markdown

    whole = f"{render_markdown(report, exact=exact)}\n".encode()
    if len(whole) <= room:
        return whole
    short = f"{render_comment(report, exact=exact, most=10_000)}\n".encode()
    return short if len(short) <= room else b""


def _relative(path: str, root: Path) -> str:
    here, top = Path(path).resolve(), root.resolve()
    return here.relative_to(top).as_posix() if here.is_relative_to(top) else path
