"""A report to the screen and to files, each in its format."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.cells import inert_lines
from ucseg_cli.report.formats.render import FOR_MACHINES, render
from ucseg_cli.terminal.ci_job import append_summary, from_workspace
from ucseg_cli.terminal.export_files import is_stdout, refuse_two_to_one, write_file
from ucseg_cli.terminal.streams import print_text, say, stdout_screen


class Destination(NamedTuple):
    """Where an answer goes, and in which form; one run may do several.

    Args:
        format: of stdout.
        exports: files to write, each with its format; ``-`` is stdout.
        summary: whether the CI job's summary gets it, too.
        exact: whether counts are written in full.
        force: whether exports may replace files that are not answers.
    """

    format: str = "table"
    exports: tuple[tuple[str, Path], ...] = ()
    summary: bool = False
    exact: bool = False
    force: bool = False

    @property
    def on_stdout(self) -> str:
        """The format of stdout: of an export to it, if there is one."""
        return next((form for form, path in self.exports if is_stdout(path)), self.format)


def deliver(report: Report, to: Destination) -> None:
    """Write the exports, then the screen. With an export to stdout, that is the screen.

    Raises OutputError where a file cannot be written, UsageError where it is not an answer; files
    are replaced whole or not at all.
    """
    refuse_two_to_one(path for _, path in to.exports)
    report = from_workspace(report)
    screen = stdout_screen(exact=to.exact)
    for format_name, path in to.exports:
        if not is_stdout(path):
            text = render(report, format_name, screen)
            write_file(path, text, format_name, report.kind, force=to.force)
            say("wrote", str(path))
    if to.summary:
        append_summary(report, exact=to.exact)
    text, for_machines = render(report, to.on_stdout, screen), to.on_stdout in FOR_MACHINES
    is_plain = not for_machines and to.on_stdout != "github"
    print_text(inert_lines(text) if is_plain else text, for_machines=for_machines)
