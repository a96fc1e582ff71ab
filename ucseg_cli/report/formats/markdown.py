"""A report as GitHub Markdown, aligned so that its source reads well too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ucseg_cli.report.document import Report, Role, Table
from ucseg_cli.report.formats.cells import WORDS, format_rows, one_line, without_spans
from ucseg_cli.report.formats.screen import display_width

_SPECIAL = re.compile(r"[\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK_START = re.compile(r"^(?=[#+-])|(?<=^\d)(?=[.)])")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def render_markdown(report: Report, *, exact: bool = False) -> str:
    """Title, conditions, tables and notes; the last line is the summary."""
    return "\n\n".join(_blocks(report, exact=exact)) + "\n"


def _blocks(report: Report, *, exact: bool) -> Iterator[str]:
    yield f"## {escape(report.title)}"
    if report.conditions:
        yield " · ".join(
            f"{escape(key)} {escape(value)}" for key, value in report.conditions.items()
        )
    for table in report.tables:
        yield from render_table(table, exact=exact)
    for note in report.notes:
        yield f"> {_paragraph(note)}"
    yield _paragraph(report.summary)


def escape(text: str) -> str:
    """*text* as itself: nothing in a name is markup, a table's border, or HTML."""
    return _SPECIAL.sub(r"\\\g<0>", _ENTITY.sub("&amp;", one_line(text)))


def _paragraph(text: str) -> str:
    return _BLOCK_START.sub(r"\\", escape(text))


def render_table(table: Table, *, exact: bool) -> Iterator[str]:
    """Its heading, its grid and its note, a block each."""
    if table.title:
        yield f"### {escape(table.title)}"
    if not table.rows:
        yield _paragraph(table.note or "none")
        return
    table = without_spans(table)
    yield "\n".join(_grid(table, exact=exact))
    if footnote := table.footnote(table.columns):
        yield _paragraph(footnote)


def _grid(table: Table, *, exact: bool) -> Iterator[str]:
    titles = [escape(column.title) for column in table.columns]
    body = [[escape(text) for text in texts] for texts in format_rows(table, exact=exact)]
    for row, texts in zip(table.rows, body, strict=True):
        if row.role is Role.TOTAL:
            texts[:] = [f"**{text}**" if text.strip() else text for text in texts]
    widths = [max(3, *map(display_width, texts)) for texts in zip(titles, *body, strict=True)]
    rightward = [column.kind not in WORDS for column in table.columns]
    yield _line(titles, widths, rightward)
    yield _line(
        [
            "-" * (width - right) + ":" * right
            for width, right in zip(widths, rightward, strict=True)
        ]
    )
    yield from (_line(texts, widths, rightward) for texts in body)


def _line(texts: Sequence[str], widths: Sequence[int] = (), rightward: Sequence[bool] = ()) -> str:
    cells = (
        [_pad(*cell) for cell in zip(texts, widths, rightward, strict=True)] if widths else texts
    )
    return f"| {' | '.join(cells)} |"


def _pad(text: str, width: int, right: bool) -> str:  # noqa: FBT001 - taken from zipped columns
    space = " " * (width - display_width(text))
    return space + text if right else text + space
