"""Mistakes where an answer was asked for by who runs checks, so that no answer of an earlier run is taken for this one's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ucseg_cli.cli.output_options import JUDGING
from ucseg_cli.errors import ConfigurationError, MistakesError, ModelError, UcsegError
from ucseg_cli.report.answers.failure import FORMS, render_error
from ucseg_cli.terminal.export_files import is_stdout, write_file
from ucseg_cli.terminal.streams import print_text

OF_THE_PROJECT = (ConfigurationError, MistakesError, ModelError)
"""Mistakes that a run of the same command would meet again, however it is typed."""


def tell_who_runs_checks(error: UcsegError, form: str, arguments: Sequence[str]) -> None:
    """Of a command that judges: on stdout in *form*, where that is one of FORMS, and where the project itself is mistaken in the files of ``--export``.

    Whether these can be written is not what the person has to hear of now.
    """
    command = arguments[0]
    if command not in JUDGING:
        return
    for export, path in _exports(arguments) if isinstance(error, OF_THE_PROJECT) else ():
        with suppress(UcsegError):
            write_file(path, render_error(error, export, command))
    if form in FORMS:
        print_text(render_error(error, form, command))


def _exports(arguments: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Asked of the words themselves, since the parser may have failed."""
    for word, following in zip(arguments, (*arguments[1:], ""), strict=True):
        asked = (
            following
            if word == "--export"
            else word.removeprefix("--export=")
            if "--export=" in word
            else ""
        )
        form, _, name = asked.partition("=")
        if form in FORMS and name and not is_stdout(Path(name)):
            yield form, Path(name)
