"""A report as one page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from html import escape
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from ucseg_cli import __version__
from ucseg_cli.report.document import Cell, Column, Highlight, Kind, Report, Role, Row, Span, Table
from ucseg_cli.report.formats.cells import WORDS, Tone, format_cell, one_line, tone_of
from ucseg_cli.report.formats.screen import glue_units
from ucseg_cli.report.pictures.svg.colours import theme

_TONES = {Tone.GOOD: "good", Tone.CAUTION: "caution", Tone.BAD: "bad", Tone.NEUTRAL: ""}
_ROLES = {Role.DATA: "", Role.TOTAL: "total", Role.FOLDED: "folded"}


class _Tile(NamedTuple):
    label: str
    value: str
    exact: str
    change: str | None
    tone: str


class _Figure(NamedTuple):
    """A cell as the page shows it.

    Args:
        parts: the text, in pieces between which a long path may break.
        exact: shown on hovering, where the text is an abbreviation.
        sort: the raw number to sort by.
        bar: the share in percent.
        span: where a drawn stretch begins and how long it is, in percent.
        style: classes, such as the tone.
    """

    parts: tuple[str, ...]
    exact: str | None
    sort: str | None
    bar: str | None
    span: tuple[str, str] | None
    style: str


class _Line(NamedTuple):
    style: str
    depth: int
    figures: tuple[_Figure, ...]


class _Heading(NamedTuple):
    title: str
    style: str


class _Sheet(NamedTuple):
    title: str
    headings: tuple[_Heading, ...]
    lines: tuple[_Line, ...]
    note: str | None
    picture: str


def render_html(report: Report, *, exact: bool = False) -> str:
    """Title, summary, highlights and tables; every name is escaped by the template engine."""
    return _template().render(
        report=report,
        version=__version__,
        theme=theme(":root"),
        tiles=[_tile(highlight, exact=exact) for highlight in report.highlights],
        sheets=[_sheet(table, exact=exact) for table in report.tables],
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = one_line
    source = (
        files("ucseg_cli.report.formats").joinpath("page.html.jinja").read_text(encoding="utf-8")
    )
    return environment.from_string(source)


def _tile(highlight: Highlight, *, exact: bool) -> _Tile:
    change = highlight.change
    return _Tile(
        label=highlight.label,
        value=format_cell(highlight.value, Kind.QUANTITY, highlight.unit, exact=exact),
        exact=format_cell(highlight.value, Kind.QUANTITY, highlight.unit, exact=True),
        change=None if change is None else format_cell(change, Kind.CHANGE),
        tone=_TONES[tone_of(change, Kind.CHANGE)],
    )


def _sheet(table: Table, *, exact: bool) -> _Sheet:
    headings = tuple(_Heading(column.title, _alignment(column)) for column in table.columns)
    lines = tuple(_lines(table, exact=exact))
    return _Sheet(table.title, headings, lines, _note(table), _picture(table))


def _picture(table: Table) -> str:
    """The table's picture, in which every name is escaped already."""
    if table.picture is None:
        return ""
    from ucseg_cli.report.pictures.scatter import Panels
    from ucseg_cli.report.pictures.svg.draw import draw
    from ucseg_cli.report.pictures.svg.panels_svg import panels_html

    picture = table.picture
    if isinstance(picture, Panels):
        return panels_html(picture)
    note = getattr(picture, "note", "")
    caption = f"<figcaption>{escape(note)}</figcaption>" if note else ""
    return f"<figure>{draw(picture, table.key).element}{caption}</figure>"


def _note(table: Table) -> str | None:
    return (table.footnote(table.columns) if table.rows else table.note) or None


def _lines(table: Table, *, exact: bool) -> Iterator[_Line]:
    for row in table.rows:
        cells = zip(row.cells, table.columns, strict=True)
        figures = tuple(_figure(cell, column, row, exact=exact) for cell, column in cells)
        yield _Line(_ROLES[row.role], row.depth, figures)


def _figure(cell: Cell, column: Column, row: Row, *, exact: bool) -> _Figure:
    shown = glue_units(format_cell(cell, column.kind, row.unit, exact=exact))
    full = glue_units(format_cell(cell, column.kind, row.unit, exact=True))
    missing = "missing" if cell is None else ""
    return _Figure(
        parts=_breakable(shown) if column.kind is Kind.PATH else (shown,),
        exact=full if full != shown else None,
        sort=_sort_value(cell),
        bar=_bar(cell) if column.kind is Kind.SHARE and row.role is not Role.TOTAL else None,
        span=_span(cell) if isinstance(cell, Span) else None,
        style=" ".join(
            filter(None, (_alignment(column), _TONES[tone_of(cell, column.kind)], missing))
        ),
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
