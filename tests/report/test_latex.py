from __future__ import annotations

import re

import pytest

from ucseg_cli.report.document import Column, Kind, Report, Row, Span, Table
from ucseg_cli.report.formats.latex import escape, render_latex
from ucseg_cli.report.formats.marks import is_answer, marked


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("conv_1", r"conv\_1"),
        ("100%", r"100\%"),
        ("a & b", r"a \& b"),
        ("{x}", r"\{x\}"),
        ("$x^2$", r"\$x\textasciicircum{}2\$"),
        ("~#", r"\textasciitilde{}\#"),
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("--force", r"-{}-force"),
        ("<<a>>", r"\textless{}{}\textless{}a\textgreater{}{}\textgreater{}"),
        ("3×3 → Δ", r"3\texttimes{}3 \(\rightarrow\) \(\Delta\)"),
        ("网络", r"\textbackslash{}u7f51\textbackslash{}u7edc"),
        ("one\ntwo", "one two"),
    ],
)
def test_nothing_in_a_name_is_a_command(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_every_line_of_a_table_has_as_many_cells_as_its_heading(
    hostile: Report, params: Report, comparison: Report
) -> None:
    for report in (hostile, params, comparison):
        for tabular in re.findall(r"(?s)\\begin{tabular}(.*?)\\end{tabular}", render_latex(report)):
            alignment = re.findall("[lr]", tabular.partition("\n")[0].partition("@")[2])
            lines = [line for line in tabular.splitlines() if line.endswith(r"\\")]
            assert len(lines) > 1
            assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(alignment) - 1}


def test_all_of_it_is_ascii_and_every_brace_is_closed(hostile: Report, params: Report) -> None:
    for report in (hostile, params):
        text = render_latex(report)
        assert text.isascii()
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        assert text.count(r"\begin{") == text.count(r"\end{")


def test_numbers_stand_to_the_right_and_totals_are_bold(params: Report) -> None:
    text = render_latex(params)
    assert r"\begin{tabular}{@{}llrrrr@{}}" in text
    total = next(line for line in text.splitlines() if "total" in line)
    assert r"\textbf{total}" in total
    assert r"\textbf{100.0\%}" in total
    assert text.splitlines()[text.splitlines().index(total) - 1] == r"    \midrule"


def test_a_unit_has_a_thin_space_and_a_waterfall_is_left_out() -> None:
    columns = (Column("a", "axis"), Column("b", "bytes", Kind.BYTES), Column("c", "", Kind.SPAN))
    table = Table("why", "Why", columns, (Row(("conv", 2_500_000, Span(0, 1))),))  # type: ignore[arg-type]
    text = render_latex(Report("ucseg.x", "x", {}, (table,), "", {}))
    assert r"conv & 2.50\,MB \\" in text


def test_a_row_that_begins_with_a_bracket_is_no_length_of_the_row_before() -> None:
    table = Table("t", "T", (Column("a", "a"),), (Row(("[3] b",)), Row(("*c",))))
    text = render_latex(Report("ucseg.x", "x", {}, (table,), "", {}))
    assert "    {}[3] b " in text
    assert "    {}*c " in text


def test_a_file_of_it_is_known_again_and_labels_are_plain(params: Report, hostile: Report) -> None:
    text = marked(render_latex(params), "latex", params.kind)
    assert is_answer(text.encode())
    assert r"\usepackage{textcomp,booktabs}" in text.splitlines()[1]
    labels = re.findall(r"\\label{(.*?)}", render_latex(hostile))
    assert all(re.fullmatch(r"tab:[\w-]+", label) for label in labels)
