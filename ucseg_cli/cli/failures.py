"""An error instead of an answer: on stderr, and wherever a script or CI looks for the answer.

A file of an earlier run is replaced, so that CI never takes a stale report for this run's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from ucseg_cli.cli.output_options import JUDGING
from ucseg_cli.errors import (
    ConfigurationError,
    MistakesError,
    ModelError,
    UcsegError,
    single_errors,
)
from ucseg_cli.terminal.deliver import Destination
from ucseg_cli.terminal.export_files import is_stdout, write_file
from ucseg_cli.terminal.streams import print_text, say_error

LASTING = (ConfigurationError, MistakesError, ModelError)
"""Errors that the same command meets again, however it is typed."""


def report_failure(
    error: UcsegError, arguments: Sequence[str], destination: Destination | None
) -> None:
    """Report on stderr, and in the place of the answer as JSON or in a format that CI reads."""
    for single in single_errors(error):
        say_error(single)
    to = destination or destination_of(arguments)
    command = arguments[0] if arguments else ""
    if to.on_stdout == "json" and sys.stdout is not None:
        from ucseg_cli.report.formats.json import render_json_error

        print_text(render_json_error(error), for_machines=True)
    elif command in JUDGING:
        _report_to_ci(error, command, to)


def destination_of(arguments: Sequence[str]) -> Destination:
    """Where the answer was to go, by the words themselves: for when the parser failed."""
    form, exports = "table", []
    for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        option, equals, value = word.partition("=")
        value = value if equals else following
        if option in {"-f", "--format"}:
            form = value
        elif word.startswith("-f"):
            form = word.removeprefix("-f")
        elif option == "--export":
            name, _, path = value.partition("=")
            exports.append((name, Path(path)))
        elif option == "--export-json":
            exports.append(("json", Path(value)))
    return Destination(form, tuple(exports), force="--force" in arguments)


def _report_to_ci(error: UcsegError, command: str, to: Destination) -> None:
    """On stdout, and for an error of the project in the exported files, too.

    The user need not hear now that one of them cannot be written.
    """
    from ucseg_cli.report.answers.failure import FORMS, render_error
    from ucseg_cli.report.formats.render import FOR_MACHINES

    if isinstance(error, LASTING):
        for form, path in to.exports:
            if form in FORMS and path.name and not is_stdout(path):
                with suppress(UcsegError):
                    text = render_error(error, form, command)
                    write_file(path, text, form, f"ucseg.{command}", force=to.force)
    if to.format in FORMS and sys.stdout is not None:
        text = render_error(error, to.format, command)
        print_text(text, for_machines=to.format in FOR_MACHINES)
