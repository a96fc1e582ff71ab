"""The options that say where an answer goes, and in which form; refused before anything is measured where they cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ucseg_cli.cli.options import one_of
from ucseg_cli.errors import UsageError
from ucseg_cli.report.formats.render import FORMATS, JUDGED_FORMATS

if TYPE_CHECKING:
    from ucseg_cli.analysis.subject import Subject
    from ucseg_cli.report.document import Report

JUDGING = ("check", "lint", "verify", "identify")
"""The commands whose answers judge something."""


def _known_format(context: typer.Context, name: str) -> str:
    return one_of("format", name, _formats(context), "--format")


def _summary_named(wanted: bool) -> bool:  # noqa: FBT001 - Typer passes it so
    if wanted:
        from ucseg_cli.terminal.ci_job import summary_path

        summary_path()
    return wanted


def _known_exports(context: typer.Context, exports: list[str] | None) -> list[str] | None:
    """Refuse an unknown format, and a file that cannot be written, before anything is measured."""
    for text in exports or ():
        name, equals, path = text.partition("=")
        where = f"--export {text}"
        if not equals or not path:
            raise UsageError(
                f"'{text}' is no export",
                where=where,
                help="write FORMAT=FILE, as in junit=report.xml",
            )
        one_of("format", name, _formats(context)[1:], "--export")
        _writable(Path(path))
    return exports


def _complete_format(context: typer.Context, incomplete: str) -> list[str]:
    return [name for name in _formats(context) if name.startswith(incomplete)]


def _complete_export(context: typer.Context, incomplete: str) -> list[str]:
    return [f"{name}=" for name in _formats(context)[1:] if name.startswith(incomplete)]


def _formats(context: typer.Context) -> tuple[str, ...]:
    return (*FORMATS, *(JUDGED_FORMATS if context.info_name in JUDGING else ()))


def _export_option(form: str) -> Any:
    return typer.Option(metavar="FILE", help=f"Also write {form} to FILE.", callback=_writable)


def _writable(path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before anything is measured."""
    if path is not None:
        from ucseg_cli.terminal.export_files import refuse_unwritable

        refuse_unwritable(path)
    return path


_FORMAT_HELP = (
    f"On the screen: {', '.join(FORMATS)}; {', '.join(JUDGING)} also {', '.join(JUDGED_FORMATS)}."
)


class Output(NamedTuple):
    """Where an answer goes, and in which form; one run may do several."""

    format: Annotated[
        str,
        typer.Option(
            "--format", "-f", metavar="NAME", help=_FORMAT_HELP, callback=_known_format,
            autocompletion=_complete_format,
        ),
    ] = "table"  # fmt: skip
    export_json: Annotated[Path | None, _export_option("JSON")] = None
    export_csv: Annotated[Path | None, _export_option("CSV")] = None
    export_markdown: Annotated[Path | None, _export_option("Markdown")] = None
    export_html: Annotated[Path | None, _export_option("a web page")] = None
    export: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT=FILE", help="Also write FORMAT to FILE; repeatable.", callback=_known_exports,
            autocompletion=_complete_export,
        ),
    ] = None  # fmt: skip
    summary: Annotated[
        bool,
        typer.Option(
            "--summary",
            help="Also append Markdown to the file that GITHUB_STEP_SUMMARY names.",
            callback=_summary_named,
        ),
    ] = False
    exact: Annotated[bool, typer.Option("--exact", help="Counts in full, without k, M or G.")] = (
        False
    )

    def deliver(self, report: Report, subjects: Iterable[Subject] = ()) -> None:
        """Write a report where it was asked for, with what has to be said of how *subjects* ran."""
        from ucseg_cli.report.parts.run_notes import with_run_notes
        from ucseg_cli.terminal.deliver import Destination, deliver

        exports = (*self._named_exports(), *self._other_exports())
        destination = Destination(self.format, exports, self.summary, self.exact)
        deliver(with_run_notes(report, list(subjects)), destination)

    def _named_exports(self) -> Iterator[tuple[str, Path]]:
        for form in ("json", "csv", "markdown", "html"):
            path = getattr(self, f"export_{form}")
            if path is not None:
                yield form, path

    def _other_exports(self) -> Iterator[tuple[str, Path]]:
        for text in self.export or ():
            form, _, path = text.partition("=")
            yield form, Path(path)
