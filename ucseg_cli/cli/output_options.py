"""The options that say where an answer goes and in which form, checked before any measuring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ucseg_cli.cli.file_type import FileName
from ucseg_cli.cli.options import OUTPUT, one_of
from ucseg_cli.errors import UsageError
from ucseg_cli.report.formats.render import (
    DRAWN_FORMATS,
    FORMATS,
    GRAPH_FORMATS,
    JUDGED_FORMATS,
    STACKED_FORMATS,
)

if TYPE_CHECKING:
    from ucseg_cli.analysis.subject import Subject
    from ucseg_cli.facts.trace import Price
    from ucseg_cli.report.document import Report
    from ucseg_cli.terminal.deliver import Destination

JUDGING = ("check", "lint", "verify", "identify")
"""The commands whose answers judge something."""
DRAWING = ("compare", "draw", "flops", "latency", "memory", "overview", "params", "show", "sweep")
"""The commands whose answers have a picture."""
FLAGS = ("--force", "--summary")
PLACES = (*FLAGS, "--format", "-f")
"""Options that say where an answer goes, beside exports; those of FLAGS have no value."""
GRAPHED = ("draw",)
"""The commands whose picture is a diagram."""
STACKED = ("flops", "params")
"""The commands whose picture is an icicle of one model."""
NAMED_EXPORTS = ("json", "csv", "markdown", "html")
"""Formats with an export option of their own."""


def _as_typed() -> str:
    """The command line without the options that say where its answer goes; empty without one."""
    from shlex import join

    from typer._click.globals import get_current_context

    context = get_current_context(silent=True)
    call = context.find_root().obj if context is not None else None
    if call is None:
        return ""
    words, is_file = ["ucseg"], False
    for word in call.arguments:
        option, equals, _ = word.partition("=")
        if option.startswith("--export") or option in PLACES:
            is_file = not equals and option not in FLAGS
        elif not is_file:
            words.append(word)
        else:
            is_file = False
    return join(words)


def _known_format(context: typer.Context, name: str) -> str:
    return one_of("format", name, _formats(context), "--format")


def _summary_named(wanted: bool) -> bool:  # noqa: FBT001 - Typer passes it so
    if wanted:
        from ucseg_cli.terminal.ci_job import summary_path

        summary_path()
    return wanted


def _known_exports(context: typer.Context, exports: list[str] | None) -> list[str] | None:
    """Refuse an unknown format and a file that cannot be written before anything is measured."""
    for text in exports or ():
        name, equals, path = text.partition("=")
        if not equals or not path:
            fix = "write FORMAT=FILE, as in junit=report.xml"
            raise UsageError(f"'{text}' is not an export", where=f"--export {text}", help=fix)
        one_of("format", name, _formats(context)[1:], "--export")
        _refuse_unwritable(context, Path(path), name)
    return exports


def _complete_format(context: typer.Context, incomplete: str) -> list[str]:
    return [name for name in _formats(context) if name.startswith(incomplete)]


def _complete_export(context: typer.Context, incomplete: str) -> list[str]:
    return [f"{name}=" for name in _formats(context)[1:] if name.startswith(incomplete)]


def _formats(context: typer.Context) -> tuple[str, ...]:
    return _formats_of(context.info_name or "")


def _formats_of(command: str) -> tuple[str, ...]:
    drawn = DRAWN_FORMATS if command in DRAWING else ()
    stacked = STACKED_FORMATS if command in STACKED else ()
    graphed = GRAPH_FORMATS if command in GRAPHED else ()
    return (*FORMATS, *drawn, *stacked, *graphed, *(JUDGED_FORMATS if command in JUDGING else ()))


def format_help(command: str) -> str:
    """The help of --format, which some commands have more words for."""
    return f"On the screen: {', '.join(_formats_of(command))}."


def _writable(
    context: typer.Context, parameter: typer.CallbackParam, path: Path | None
) -> Path | None:
    """Refuse a file that cannot be written before anything is measured."""
    if path is not None:
        _refuse_unwritable(context, path, str(parameter.name).removeprefix("export_"))
    return path


def _refuse_unwritable(context: typer.Context, path: Path, format_name: str) -> None:
    from ucseg_cli.terminal.export_files import refuse_unwritable

    refuse_unwritable(path, format_name, force=bool(context.params.get("force")))


_option = partial(typer.Option, rich_help_panel=OUTPUT)


def _export(words: str, example: str) -> Any:
    """The option for an export in the format that is called so, to a file such as *example*."""
    help_line, kind = f"Also write {words} to FILE.", FileName(example)
    return _option(metavar="FILE", help=help_line, callback=_writable, click_type=kind)


_format = _option(
    "--format",
    "-f",
    metavar="NAME",
    callback=_known_format,
    autocompletion=_complete_format,
)
_exports = _option(
    metavar="FORMAT=FILE",
    help="Also write FORMAT to FILE; repeatable.",
    callback=_known_exports,
    autocompletion=_complete_export,
)
_summary = _option(
    "--summary",
    help="Also append Markdown to the file that GITHUB_STEP_SUMMARY names.",
    callback=_summary_named,
)
_force = _option(
    "--force",
    help="Let an export replace a file that is not an answer of ucseg.",
    is_eager=True,  # exports are checked as they are parsed, in any order
)


class Output(NamedTuple):
    """Where an answer goes, and in which form; one run may do several."""

    format: Annotated[str, _format] = "table"
    export_json: Annotated[Path | None, _export("JSON", "answer.json")] = None
    export_csv: Annotated[Path | None, _export("CSV", "answer.csv")] = None
    export_markdown: Annotated[Path | None, _export("Markdown", "answer.md")] = None
    export_html: Annotated[Path | None, _export("a web page", "answer.html")] = None
    export: Annotated[list[str] | None, _exports] = None
    force: Annotated[bool, _force] = False
    summary: Annotated[bool, _summary] = False
    exact: Annotated[bool, _option("--exact", help="Counts in full, without k, M or G.")] = False

    @property
    def destination(self) -> Destination:
        """Where the answer goes, as terminal knows it."""
        from ucseg_cli.terminal.deliver import Destination

        named = {form: getattr(self, f"export_{form}") for form in NAMED_EXPORTS}
        exports = [(form, path) for form, path in named.items() if path is not None]
        for text in self.export or ():
            form, _, name = text.partition("=")
            exports.append((form, Path(name)))
        return Destination(self.format, tuple(exports), self.summary, self.exact, self.force)

    def deliver(
        self, report: Report, subjects: Iterable[Subject] = (), prices: Sequence[Price] = ()
    ) -> None:
        """Write a report to where it was asked for, with notes on how *subjects* ran."""
        from ucseg_cli.terminal.deliver import deliver

        report = self.noted(report, subjects, prices)
        deliver(report._replace(command=_as_typed()), self.destination)

    def noted(self, report: Report, subjects: Iterable[Subject], prices: Sequence[Price]) -> Report:
        """The report with notes on how *subjects* ran.

        *prices* are those of the project, for an answer whose traces are not here any more.
        """
        from ucseg_cli.report.parts.run_notes import with_price_notes, with_run_notes

        subjects = list(subjects)
        return with_price_notes(with_run_notes(report, subjects), subjects, prices)

    def print_as_is(self, text: str, form: str, option: str) -> None:
        """Print a file of the *form* that an *option* asks for, instead of an answer.

        Raises UsageError where the answer is asked for in another form or place.
        """
        as_printed = [Output(), Output(form)]
        if self not in as_printed:
            what, fix = f"{option} prints a file as it is", f"{option} > FILE writes it"
            raise UsageError(what, where=option, help=f"leave other forms out: {fix}")
        from ucseg_cli.terminal.streams import print_text

        print_text(text, for_machines=True)
