from __future__ import annotations

import re

import pytest

from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.markdown import escape, render_markdown

BORDER = re.compile(r"(?<!\\)\|")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("`code`", r"\`code\`"),
        ("one\ntwo", "one two"),
        ("<b>", r"\<b\>"),
        ("&lt;", "&amp;lt;"),
        ("R&D", "R&D"),
        ("*star*", r"\*star\*"),
        ("_private_", r"\_private\_"),
        ("conv_1", "conv_1"),
        ("[link](x)", r"\[link\](x)"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_nothing_in_a_name_is_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_every_row_of_a_table_has_as_many_cells_as_its_heading(
    hostile: Report, params: Report
) -> None:
    for report in (hostile, params):
        rows = [line for line in render_markdown(report).splitlines() if line.startswith("| ")]
        assert len(rows) == len(report.tables[0].rows) + 2
        assert {len(BORDER.findall(row)) for row in rows} == {len(report.tables[0].columns) + 1}


def test_numbers_are_aligned_to_the_right_and_names_are_not(params: Report) -> None:
    rule = next(line for line in render_markdown(params).splitlines() if line.startswith("| ---"))
    sides = [
        "right" if cell.strip().endswith(":") else "left" for cell in rule.strip("|").split("|")
    ]
    assert sides == ["left", "left", "right", "right", "right", "right"]


def test_totals_are_bold_and_missing_is_a_dash(params: Report) -> None:
    text = render_markdown(params, exact=True)
    assert "**1,600,000**" in text
    assert "|      – |" in text


def test_the_title_comes_first_and_the_summary_last(params: Report) -> None:
    lines = render_markdown(params).splitlines()
    assert lines[0] == "## params v2"
    assert lines[2].startswith("input 1×3×224×224 · dtype float32")
    assert lines[-1] == params.summary


def test_a_status_carries_its_sign_and_an_empty_table_says_none(comparison: Report) -> None:
    text = render_markdown(comparison)
    assert "✗ fail" in text
    assert "### Taps that moved\n\nnone\n" in text
