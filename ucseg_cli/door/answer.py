"""The answer to a question: to read, to look at, to compute with, and to save."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from ucseg_cli.errors import UsageError, nearest_name
from ucseg_cli.report.document import Cell, Report, Role, Span
from ucseg_cli.report.formats.render import render
from ucseg_cli.report.formats.screen import Screen

WIDTH = 100
"""Columns of the text of an answer."""
ENDINGS = {
    ".html": "html",
    ".svg": "svg",
    ".md": "markdown",
    ".tex": "latex",
    ".csv": "csv",
    ".json": "json",
    ".mmd": "mermaid",
    ".dot": "dot",
    ".txt": "table",
}
"""Formats by the ending of a file."""
_numbers = count(1)


class Answer:
    """An answer as a command would have printed it.

    Its text is that of a terminal; in a notebook it is a fragment of a page with its picture.

    Args:
        report: the answer. ok: whether every gate of it held, such as limits and findings.
    """

    def __init__(self, report: Report, *, ok: bool = True) -> None:
        self._report = report
        self.ok = ok

    @property
    def data(self) -> dict[str, Any]:
        """The JSON of ``--format json``, with raw integers; the caller may change it."""
        data: dict[str, Any] = json.loads(render(self._report, "json", Screen()))
        return data

    @property
    def summary(self) -> str:
        """The answer in a sentence."""
        return self._report.summary

    @property
    def failures(self) -> list[str]:
        """A sentence on each thing that failed: a limit that is exceeded, a finding that counts."""
        return [one.message for one in self._report.judgements if one.status == "fail"]

    def rows(self) -> list[dict[str, Any]]:
        """The CSV of ``--format csv``: a record for each row, as ``pandas.DataFrame`` takes them.

        Numbers are integers, or floats where they need not be whole; missing ones are None.
        """
        table = self._report.records or self._report.tables[0]
        keys = [column.key for column in table.columns]
        data = (row for row in table.rows if row.role is Role.DATA)
        return [dict(zip(keys, map(_plain, row.cells), strict=True)) for row in data]

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the answer in the format that the ending of *path* names; gives the path.

        Raises UsageError for another ending, and for a file that is there and is not an answer
        unless by *force*; OutputError where it cannot be written.
        """
        from ucseg_cli.terminal.export_files import refuse_unwritable, write_file

        path = Path(path)
        form = ENDINGS.get(path.suffix.lower())
        if form is None:
            near = nearest_name(path.suffix, ENDINGS)
            known = ", ".join(ENDINGS)
            fix = f"did you mean '{near}'?" if near else f"known endings: {known}"
            what = f"no format has the ending '{path.suffix}'"
            raise UsageError(what, where=str(path), notes=(f"known: {known}",), help=fix)
        refuse_unwritable(path, form, force=force)
        text = str(self) if form == "table" else render(self._report, form, Screen())
        write_file(path, text, form, self._report.kind, force=force)
        return path

    def __str__(self) -> str:
        return render(self._report, "table", Screen(WIDTH))

    def __repr__(self) -> str:
        return str(self).rstrip()

    def _repr_html_(self) -> str:
        from ucseg_cli.report.formats.html import render_fragment

        return render_fragment(self._report, f"ucseg{next(_numbers)}")


def _plain(cell: Cell) -> Any:
    """The cell as pandas takes it."""
    if isinstance(cell, Fraction):
        return float(cell)
    return (float(cell.start), float(cell.end)) if isinstance(cell, Span) else cell
