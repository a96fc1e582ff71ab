from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.html import render_html

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


def test_a_missing_value_is_a_dash(params: Report) -> None:
    assert '<td class="number quantity missing"><span>–</span></td>' in render_html(params)


def test_tables_can_be_read_aloud(params: Report) -> None:
    page = render_html(params)
    assert "<caption>Heaviest modules</caption>" in page
    assert page.count('scope="col"') == 6
    assert page.count('scope="row"') == len(params.tables[0].rows)
    assert '<html lang="en">' in page
