from __future__ import annotations

import re
from fractions import Fraction
from html.parser import HTMLParser

import pytest

from support.small_pictures import SCATTER, STRIPS
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.report.document import Column, Kind, Report, Row, Span, Table
from ucseg_cli.report.formats.html import render_html, style
from ucseg_cli.report.formats.page_sheets import make_sheet

VOID = {"meta", "link", "wbr"}


class Outline(HTMLParser):
    """Every tag opened and closed in turn, and the text of the page outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture(params=["params", "comparison", "hostile"])
def report(request: pytest.FixtureRequest) -> Report:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Report)
    return found


def test_every_tag_is_closed(report: Report) -> None:
    outline = Outline(render_html(report))
    assert outline.open == []
    assert outline.tags.count("table") == sum(bool(table.rows) for table in report.tables)


def test_the_page_asks_for_nothing_else(report: Report) -> None:
    page = render_html(report)
    assert not re.search(r"https?://|//\w+\.|@import|url\(", page)
    outline = Outline(page)
    assert [value for name, value in outline.attributes if name in {"src", "href", "srcset"}] == [
        "data:,"
    ]


def test_a_name_that_is_a_script_is_shown_and_not_run(hostile: Report) -> None:
    page = render_html(hostile)
    assert "<script>alert" not in page
    assert Outline(page).tags.count("script") == 1
    assert "<script>alert(1)</script>" in Outline(page).text


def test_the_summary_leads_and_the_title_names_the_page(params: Report) -> None:
    page = render_html(params)
    assert f'<p class="lead">{params.summary}</p>' in page
    assert "<title>params v2 · ucseg</title>" in page


def test_hovering_shows_the_exact_integer(params: Report) -> None:
    page = render_html(params)
    assert '<abbr title="1,210,432">1.21M</abbr>' in page
    assert 'title="482,113,920">482.1M' in page
    assert "<abbr" not in render_html(params, exact=True)


def test_highlights_are_tiles_with_their_change(params: Report) -> None:
    page = render_html(params)
    assert '<span class="change good">-11.0%</span>' in page
    assert '<span class="change bad">+3.0%</span>' in page


def test_shares_have_bars_and_totals_do_not(params: Report) -> None:
    page = render_html(params)
    assert "--share: 75.65%" in page
    assert page.count('<i class="bar"') == 5


def test_the_picture_stands_before_tiles_and_tables(params: Report) -> None:
    page = render_html(params._replace(pictures=lambda: (STRIPS, SCATTER)))
    first, tiles, second, table = map(
        page.index, ('class="strips"', 'class="tiles"', 'class="scatter"', "<table")
    )
    assert first < tiles < second < table


def test_a_code_of_a_rule_leads_to_its_explanation_on_the_page(comparison: Report) -> None:
    column, row = Column("code", "rule"), Row(("UC104",))
    page = render_html(comparison._replace(tables=(Table("lint", "Findings", (column,), (row,)),)))
    assert '<a href="#UC104">UC104</a>' in page
    assert f'<div id="UC104"><dt>UC104 · {RULES["UC104"].title}</dt>' in page
    assert 'id="UC101"' not in page


def test_the_command_that_made_the_page_is_at_its_end(params: Report) -> None:
    assert "<footer>" in render_html(params)
    assert "<code>" not in render_html(params)
    page = render_html(params._replace(command="ucseg params 'a <b>.py:Net'"))
    assert "<code>ucseg params &#39;a &lt;b&gt;.py:Net&#39;</code></footer>" in page


def test_rows_say_how_deep_they_are_so_that_sorting_keeps_children_below_their_parent(
    params: Report,
) -> None:
    page = render_html(params)
    depths = [int(depth) for depth in re.findall(r'<tr class="[^"]*" data-depth="(\d+)"', page)]
    assert depths == [row.depth for table in params.tables for row in table.rows]
    assert max(depths) > 0


def test_only_a_waterfall_keeps_its_order() -> None:
    columns = (Column("axis", "axis", Kind.PATH), Column("way", "", Kind.SPAN))
    rows = (Row(("conv", Span(Fraction(0), Fraction(1)))),)
    assert "waterfall" in make_sheet(Table("why", "Why", columns, rows), exact=False).style
    assert "waterfall" not in make_sheet(Table("why", "Why", columns[:1], ()), exact=False).style


def test_every_rule_of_style_is_for_what_stands_inside_of_an_answer() -> None:
    rules = re.sub(r"/\*.*?\*/", "", style(), flags=re.DOTALL)
    heads = re.findall(r"(?:^|(?<=\}))\s*([^{}]+)\{", outermost(rules))
    assert heads
    assert all(head.strip().startswith((".ucseg", "@media")) for head in heads)


def outermost(rules: str) -> str:
    """The rules with everything inside of braces left out."""
    depth, kept = 0, []
    for sign in rules:
        depth -= sign == "}"
        if depth == 0:
            kept.append(sign)
        depth += sign == "{"
    return "".join(kept)


def test_a_missing_value_is_a_dash(params: Report) -> None:
    cell = r'<td[^>]* class="number quantity missing"><span>–</span></td>'
    assert re.search(cell, render_html(params))


def test_tables_can_be_read_aloud(params: Report) -> None:
    page = render_html(params)
    assert "<caption>Heaviest modules</caption>" in page
    assert page.count('scope="col"') == 6
    assert page.count('scope="row"') == len(params.tables[0].rows)
    assert '<html lang="en">' in page
