"""The records of a report as CSV with raw values, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from fractions import Fraction
from io import StringIO

from ucseg_cli.report.document import Cell, Report, Role, Row, Span
from ucseg_cli.system.control_characters import escaped

_FORMULA = re.compile(r"[=+\-@\t\r]|::")
"""The beginning of a formula, or of a command to CI."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def render_csv(report: Report) -> str:
    """Column keys, then a line for each record; without totals, which would be summed twice."""
    table = report.records or report.tables[0]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    writer.writerows([_raw(cell) for cell in row.cells] for row in _records(report))
    return text.getvalue()


def _records(report: Report) -> Iterator[Row]:
    if report.records is not None:
        yield from report.records.rows
    else:
        yield from (row for row in report.tables[0].rows if row.role is Role.DATA)


def _raw(cell: Cell) -> str:  # noqa: PLR0911 - one for each kind of cell
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case Fraction():
            return repr(float(cell))
        case Span():
            return f"{float(cell.start)}..{float(cell.end)}"
        case tuple():
            return "x".join(map(str, cell)) or "scalar"
        case int():
            return str(cell)
        case str():
            return _inert(cell)


def _inert(text: str) -> str:
    """Text that a spreadsheet would run as a formula, quoted; a negative number stays one."""
    text = escaped(text)  # a carriage return would begin a row
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
