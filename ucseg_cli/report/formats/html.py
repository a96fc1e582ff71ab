"""A report as one page that needs nothing else: no font, no request, and little script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from ucseg_cli import __version__
from ucseg_cli.analysis.rules.lint_catalogue import RULES, Rule
from ucseg_cli.report.document import Report, Table
from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.formats.page_sheets import RULE, make_sheet, make_tile, picture_sheet
from ucseg_cli.report.pictures.svg.colours import theme
from ucseg_cli.report.pictures.svg.draw import drawable

ROOT = ".ucseg"
"""The class of what the rules of style are for, so that they leave the rest of a notebook alone."""


def render_html(report: Report, *, exact: bool = False) -> str:
    """Title, summary, picture, highlights and tables; the template engine escapes every name."""
    pictures = enumerate(report.pictures())
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            report=report,
            version=__version__,
            style=style(),
            script=_part("page.js"),
            tiles=[make_tile(highlight, exact=exact) for highlight in report.highlights],
            pictures=[picture_sheet(picture, f"picture{number}") for number, picture in pictures],
            tables=[make_sheet(table, exact=exact) for table in report.tables],
            rules=list(_rules(report.tables)),
        )
    )


def render_fragment(report: Report, name: str) -> str:
    """The answer as a part of another page, such as a notebook: no script, no style for the rest.

    *name* is its own on that page.
    """
    tables = report.tables if report.first is None else report.first.tables
    pictures = enumerate(drawable(report.pictures()))
    return (
        _environment()
        .get_template("fragment.html.jinja")
        .render(
            report=report,
            style=style(),
            tiles=[make_tile(highlight, exact=False) for highlight in report.highlights],
            pictures=[picture_sheet(one, f"{name}-picture{number}") for number, one in pictures],
            tables=[make_sheet(table, exact=False, name=name) for table in tables],
        )
    )


def style() -> str:
    """The rules of style, for what stands inside an element of the class ROOT alone."""
    # said three times, a class outweighs the rules that notebooks have for any table
    return f"{theme(ROOT)}\n{ROOT * 3} {{\n{_part('page.css')}}}"


def _rules(tables: Iterable[Table]) -> Iterator[Rule]:
    """Those that a table names, in the order of the catalogue."""
    named = {
        row.cells[place]
        for table in tables
        for place, column in enumerate(table.columns)
        if column.key == RULE
        for row in table.rows
    }
    return (rule for code, rule in RULES.items() if code in named)


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=FunctionLoader(_part),
    )
    environment.filters["line"] = one_line
    return environment


@cache
def _part(name: str) -> str:
    return files("ucseg_cli.report.formats").joinpath(name).read_text(encoding="utf-8")
