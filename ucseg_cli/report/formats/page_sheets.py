"""Tables and highlights as a page shows them: text, what hovering adds, and how it sorts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from html import escape
from typing import NamedTuple

from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.report.document import Cell, Column, Highlight, Kind, Role, Row, Span, Table
from ucseg_cli.report.formats.cells import WORDS, Tone, format_cell, tone_of
from ucseg_cli.report.formats.screen import glue_units
from ucseg_cli.report.pictures.picture import Picture
from ucseg_cli.report.pictures.scatter import Panels
from ucseg_cli.report.pictures.svg.draw import draw
from ucseg_cli.report.pictures.svg.panels_svg import panels_html

RULE = "code"
"""The key of a column that has codes of rules."""
WIDE, STACKED = 8, 3
"""Columns above which figures stand closer, and above which a phone stacks them."""
_TONES = {Tone.GOOD: "good", Tone.CAUTION: "caution", Tone.BAD: "bad", Tone.NEUTRAL: ""}
_ROLES = {Role.DATA: "", Role.TOTAL: "total", Role.FOLDED: "folded"}


class Tile(NamedTuple):
    """A highlight: its value, what it was *before*, the change and whether that is good."""

    label: str
    value: str
    exact: str
    before: str | None
    change: str | None
    tone: str


class Figure(NamedTuple):
    """A cell as the page shows it.

    Args:
        parts: the text, in pieces between which a long path may break.
        exact: shown on hovering, where the text is an abbreviation.
        sort: the raw number to sort by.
        bar: the share in percent.
        span: where a drawn stretch begins and how long it is, in percent.
        style: classes, such as the tone.
        rule: the code of the rule that the page explains further down, if the cell names one.
    """

    parts: tuple[str, ...]
    exact: str | None
    sort: str | None
    bar: str | None
    span: tuple[str, str] | None
    style: str
    rule: str = ""


class Line(NamedTuple):
    """A row, with the class of its role."""

    style: str
    depth: int
    figures: tuple[Figure, ...]


class Heading(NamedTuple):
    """The title of a column, with the class of its alignment."""

    title: str
    style: str


class Sheet(NamedTuple):
    """A picture, a table, or a table under its picture, with what is said under both.

    *style* has the classes of the table; *stacks* is whether a phone shows its rows as stacks.
    """

    title: str
    headings: tuple[Heading, ...] = ()
    lines: tuple[Line, ...] = ()
    note: str | None = None
    picture: str = ""
    style: str = ""
    stacks: bool = False


def make_tile(highlight: Highlight, *, exact: bool) -> Tile:
    """The highlight as text."""
    change, before = highlight.change, highlight.before

    def text(value: int, *, exact: bool) -> str:
        return format_cell(value, Kind.QUANTITY, highlight.unit, exact=exact)

    return Tile(
        label=highlight.label,
        value=text(highlight.value, exact=exact),
        exact=text(highlight.value, exact=True),
        before=None if before is None else text(before, exact=exact),
        change=None if change is None else format_cell(change, Kind.CHANGE),
        tone=_TONES[tone_of(change, Kind.CHANGE)],
    )


def make_sheet(table: Table, *, exact: bool, name: str = "table") -> Sheet:
    """The table as text, under its picture if it has one; *name* is of the whole answer."""
    headings = tuple(Heading(column.title, _alignment(column)) for column in table.columns)
    lines = tuple(_lines(table, exact=exact))
    picture = "" if table.picture is None else _drawn(table.picture, f"{name}-{table.key}")
    stacks = len(headings) > STACKED
    is_waterfall = any(column.kind is Kind.SPAN for column in table.columns)
    classes = {"wide": len(headings) > WIDE, "stack": stacks, "waterfall": is_waterfall}
    style = " ".join(name for name, applies in classes.items() if applies)
    return Sheet(table.title, headings, lines, _note(table), picture, style, stacks)


def picture_sheet(picture: Picture, name: str) -> Sheet:
    """A picture of the whole answer; *name* is its own on the page."""
    title = picture.scatter.title if isinstance(picture, Panels) else picture.title
    return Sheet(title, picture=_drawn(picture, name))


def _drawn(picture: Picture, name: str) -> str:
    """The picture, in which every name is escaped already, and the words under it."""
    if isinstance(picture, Panels):
        return panels_html(picture)
    note = getattr(picture, "note", "")
    caption = f"<figcaption>{escape(note)}</figcaption>" if note else ""
    return f"<figure>{draw(picture, name).element}{caption}</figure>"


def _note(table: Table) -> str | None:
    return (table.footnote(table.columns) if table.rows else table.note) or None


def _lines(table: Table, *, exact: bool) -> Iterator[Line]:
    for row in table.rows:
        cells = zip(row.cells, table.columns, strict=True)
        figures = tuple(_figure(cell, column, row, exact=exact) for cell, column in cells)
        yield Line(_ROLES[row.role], row.depth, figures)


def _figure(cell: Cell, column: Column, row: Row, *, exact: bool) -> Figure:
    shown = glue_units(format_cell(cell, column.kind, row.unit, exact=exact))
    full = glue_units(format_cell(cell, column.kind, row.unit, exact=True))
    absent = "missing" if cell is None else "blank" if cell == "" else ""
    return Figure(
        parts=_breakable(shown) if column.kind is Kind.PATH else (shown,),
        exact=full if full != shown else None,
        sort=_sort_value(cell),
        bar=_bar(cell) if column.kind is Kind.SHARE and row.role is not Role.TOTAL else None,
        span=_span(cell) if isinstance(cell, Span) else None,
        style=" ".join(
            filter(None, (_alignment(column), _TONES[tone_of(cell, column.kind)], absent))
        ),
        rule=cell if column.key == RULE and isinstance(cell, str) and cell in RULES else "",
    )


def _alignment(column: Column) -> str:
    kind = column.kind
    return kind.name.lower() if kind in WORDS else f"number {kind.name.lower()}"


def _breakable(path: str) -> tuple[str, ...]:
    """The path in pieces that end with a dot, where a narrow page may break it."""
    *heads, tail = path.split(".")
    return (*(f"{head}." for head in heads), tail)


def _sort_value(cell: Cell) -> str | None:
    return None if cell is None or isinstance(cell, str | tuple | Span) else repr(float(cell))


def _span(span: Span) -> tuple[str, str]:
    low, high = sorted((span.start, span.end))
    return f"{float(low) * 100:.2f}", f"{float(high - low) * 100:.2f}"


def _bar(cell: Cell) -> str | None:
    if not isinstance(cell, Fraction | int):
        return None
    return f"{float(min(max(cell, 0), 1)) * 100:.2f}"
