"""A report to the screen and to files, each in its format."""

from __future__ import annotations

from ucseg_cli.console.export_files import is_stdout, refuse_two_to_one, write_file
from ucseg_cli.console.options import Output
from ucseg_cli.console.streams import print_text, say, stdout_screen
from ucseg_cli.report.document import Report


def deliver(report: Report, output: Output) -> None:
    """Write the exports, then the screen. With an export to stdout, that is the screen.

    Raises OutputError where a file cannot be written; files are replaced whole or not at all.
    """
    refuse_two_to_one(output.exports.values())
    on_screen = output.format
    for format_name, path in output.exports.items():
        if is_stdout(path):
            on_screen = format_name
        else:
            write_file(path, render(report, format_name, exact=output.exact))
            say("wrote", str(path))
    print_text(render(report, on_screen, exact=output.exact))


def render(report: Report, format_name: str, *, exact: bool) -> str:
    """The report as text. Each format is imported only for who asks for it."""
    match format_name:
        case "json":
            from ucseg_cli.report.formats.json import render_json

            return render_json(report)
        case "csv":
            from ucseg_cli.report.formats.csv import render_csv

            return render_csv(report)
        case "markdown":
            from ucseg_cli.report.formats.markdown import render_markdown

            return render_markdown(report, exact=exact)
        case "html":
            from ucseg_cli.report.formats.html import render_html

            return render_html(report, exact=exact)
        case _:
            from ucseg_cli.report.formats.terminal import render_terminal

            return render_terminal(report, stdout_screen(exact=exact))
