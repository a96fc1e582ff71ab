"""A report to the screen and to files, each in its format."""

from __future__ import annotations

from ucseg_cli.console.export_files import is_stdout, refuse_two_to_one, write_file
from ucseg_cli.console.github_runner import append_summary, from_workspace
from ucseg_cli.console.output import Output
from ucseg_cli.console.streams import print_text, say, stdout_screen
from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.render import render


def deliver(report: Report, output: Output) -> None:
    """Write the exports, then the screen. With an export to stdout, that is the screen.

    Raises OutputError where a file cannot be written; files are replaced whole or not at all.
    """
    refuse_two_to_one(path for _, path in output.exports)
    report, screen, on_screen = from_workspace(report), stdout_screen(exact=output.exact), output.format
    for format_name, path in output.exports:
        if is_stdout(path):
            on_screen = format_name
        else:
            write_file(path, render(report, format_name, screen))
            say("wrote", str(path))
    if output.summary:
        append_summary(report, exact=output.exact)
    print_text(render(report, on_screen, screen))
