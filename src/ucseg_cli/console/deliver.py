"""A report to the screen and to files, each in its format."""

from __future__ import annotations

from pathlib import Path

from ucseg_cli.atomic_write import replace_file
from ucseg_cli.console.options import Output
from ucseg_cli.console.streams import print_text, say, stdout_screen
from ucseg_cli.errors import OutputError, UsageError
from ucseg_cli.report.document import Report

STDOUT = Path("-")


def deliver(report: Report, output: Output) -> None:
    """Write the exports, then the screen. With an export to stdout, that is the screen.

    Raises OutputError where a file cannot be written; files are replaced whole or not at all.
    """
    to_stdout = [format_name for format_name, path in output.exports.items() if path == STDOUT]
    if len(to_stdout) > 1:
        raise UsageError("two exports want stdout", where=" ".join(f"--export-{name} -" for name in to_stdout))
    for format_name, path in output.exports.items():
        if path != STDOUT:
            _write_file(path, render(report, format_name, exact=output.exact))
            say("wrote", str(path))
    print_text(render(report, to_stdout[0] if to_stdout else output.format, exact=output.exact))


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


def _write_file(path: Path, text: str) -> None:
    try:
        if path.exists() and not path.is_file():  # a device or a pipe is written to, not replaced
            path.write_text(text, encoding="utf-8")
        else:
            replace_file(path, text.encode())
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            where=str(path),
            help="name a file in a folder that exists",
        ) from error
