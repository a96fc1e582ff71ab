from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

import pytest

from ucseg_cli.report.document import Column, Kind, Report, Role, Row, Table
from ucseg_cli.report.formats.column_fit import BARS, fit_columns
from ucseg_cli.report.formats.screen import Screen, display_width, shorten_end, shorten_middle
from ucseg_cli.report.formats.terminal import render_terminal

ESCAPE = re.compile(r"\x1b\[[\d;]*m")
WIDTHS = (*range(40, 56), *range(56, 141, 4), 71, 72, 99, 100)


@pytest.fixture(params=["params", "comparison", "hostile"])
def report(request: pytest.FixtureRequest) -> Report:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Report)
    return found


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("exact", [True, False])
def test_no_line_is_wider_than_the_terminal(report: Report, *, unicode: bool, exact: bool) -> None:
    for width in WIDTHS:
        text = render_terminal(report, Screen(width, unicode=unicode, exact=exact))
        assert max(map(display_width, text.splitlines())) <= width, width


def test_a_figure_is_whole_or_not_shown_at_all(report: Report) -> None:
    everything = {
        figure for line in _lines(report, Screen(exact=True)) for figure in _figures(line)
    }
    for width in WIDTHS:
        for line in _lines(report._replace(summary="", notes=()), Screen(width, exact=True)):
            assert set(_figures(line)) <= everything, width


def test_a_row_is_never_wrapped(report: Report) -> None:
    heights = _heights(report, Screen())
    assert all(_heights(report, Screen(width)) == heights for width in WIDTHS)


def test_a_narrow_terminal_drops_the_columns_of_the_highest_tier_first(params: Report) -> None:
    shown = {width: _header(params, width) for width in (110, 80, 60, 40)}
    assert shown == {
        110: ["module", "type", "params", "frozen", "kernel", "share"],
        80: ["module", "params", "frozen", "share"],
        60: ["module", "params", "share"],
        40: ["module", "params"],
    }


def test_dropped_columns_are_named_before_the_summary(params: Report) -> None:
    lines = _lines(params, Screen(60))
    assert "not shown at this width: type, frozen, kernel" in lines
    assert lines.index("not shown at this width: type, frozen, kernel") < lines.index(
        "v2 has 1.6M parameters, 75.7% of them in"
    )


def test_nothing_is_said_to_be_left_out_where_nothing_is(params: Report) -> None:
    assert "not shown" not in render_terminal(params, Screen(140))


def test_a_table_that_does_not_fit_loses_a_tier_more_than_its_width_asks_for() -> None:
    figures = [Column(f"c{index}", "c", Kind.QUANTITY, tier=min(index, 3)) for index in range(6)]
    table = Table("wide", "", (Column("path", "path", Kind.PATH), *figures), ())
    assert fit_columns(table, [30, *[15] * 6], 100).shown == (0, 1, 2, 3)


def test_figures_that_no_width_can_hold_are_dropped_from_the_right() -> None:
    table = Table(
        "wide", "", (Column("path", "path", Kind.PATH), *[Column("c", "c", Kind.QUANTITY)] * 5), ()
    )
    layout = fit_columns(table, [30, *[9] * 5], 40)
    assert layout.shown == (0, 1, 2)
    assert layout.widths == (18, 9, 9)


def test_bars_shrink_and_go_before_any_column() -> None:
    columns = (Column("path", "path", Kind.PATH), Column("share", "share", Kind.SHARE, 1))
    table = Table("t", "", columns, ())
    widths = (72, 71, 64, 63, 60, 59)
    assert BARS == (16, 8, 4)
    assert [fit_columns(table, [44, 8], width).bar for width in widths] == [16, 8, 8, 4, 4, 0]
    assert fit_columns(table, [44, 8], 59).shown == (0, 1)


def test_a_scale_shrinks_and_goes_before_any_figure() -> None:
    figures = (Column("alone", "alone", Kind.DELTA), Column("last", "last", Kind.DELTA))
    columns = (Column("axis", "axis"), *figures, Column("steps", "", Kind.SPAN))
    table = Table("t", "", columns, ())
    layouts = [fit_columns(table, [20, 8, 8, 0], width) for width in (70, 69, 58, 57, 50, 49)]
    assert [layout.widths[3:] for layout in layouts] == [(28,), (16,), (16,), (8,), (8,), ()]
    assert all(layout.widths[:3] == (20, 8, 8) for layout in layouts)


def test_a_share_over_its_limit_is_red_and_passes_a_mark_at_the_limit() -> None:
    columns = (Column("name", "budget"), Column("used", "used", Kind.SHARE))
    rows = (Row(("over", Fraction(11, 10))), Row(("half", Fraction(1, 2))))
    report = Report("k", "t", {}, (Table("t", "", columns, rows),), "s", {})
    over, half = _lines(report, Screen(60))[4:6]
    assert over == "over    110.0%  ████████████│▎"
    assert half == "half     50.0%  ██████      │"
    coloured = render_terminal(report, Screen(60, colour=True))
    assert "\x1b[31m████████████│▎\x1b[0m" in coloured
    assert "\x1b[36m██████      │\x1b[0m" in coloured


def test_a_legend_stands_under_its_column_and_goes_with_it() -> None:
    last = Column("last", "last", Kind.DELTA, 3, legend="of making it after all others")
    table = Table("t", "", (Column("axis", "axis"), last), (Row(("rates", 1)),), "A note.")
    report = Report("k", "t", {}, (table,), "s", {})
    assert "A note. last: of making it after all others." in _lines(report, Screen(100))
    assert "A note." in _lines(report, Screen(90))


def test_a_bar_is_as_long_as_its_share(params: Report) -> None:
    row = next(line for line in _lines(params, Screen(140)) if "75.7%" in line)
    assert row.endswith("█" * 12 + "▏")
    row = next(line for line in _lines(params, Screen(140, unicode=False)) if "75.7%" in line)
    assert row.endswith(" " + "#" * 12)


def test_output_in_a_pipe_is_plain_and_no_row_is_cut(params: Report) -> None:
    long = "backbone." * 30 + "conv"
    table = params.tables[0]
    rows = (table.rows[0]._replace(cells=(long, *table.rows[0].cells[1:])), *table.rows[1:])
    text = render_terminal(params._replace(tables=(table._replace(rows=rows),)), Screen())
    assert long in text
    assert "\x1b" not in text
    assert "not shown" not in text


def test_sentences_in_a_pipe_are_wrapped_at_100_columns_and_long_names_are_whole(
    params: Report,
) -> None:
    name = "backbone." * 20 + "conv"
    sentence = f"{'word ' * 50}{name} {'word ' * 50}end"
    columns = (Column("code", "rule"), Column("finding", "finding", Kind.PROSE))
    table = Table("t", "", columns, (Row(("UC101", "word " * 50)),), sentence)
    report = params._replace(tables=(table,), notes=(sentence,), summary=sentence)
    lines = _lines(report, Screen())
    assert name in lines
    assert max(map(display_width, (line for line in lines if line != name))) <= 100
    assert " ".join(lines[-7:]).endswith(sentence)


def test_without_colour_there_is_no_escape_code_and_bold_is_gone_too(report: Report) -> None:
    assert "\x1b" not in render_terminal(report, Screen(100, colour=False))


def test_colour_changes_nothing_but_the_escape_codes(report: Report) -> None:
    for width in (50, 80, 120):
        coloured = render_terminal(report, Screen(width, colour=True))
        assert ESCAPE.sub("", coloured) == render_terminal(report, Screen(width))
        assert ESCAPE.search(coloured)


def test_better_is_green_and_worse_is_red(comparison: Report) -> None:
    text = render_terminal(comparison, Screen(100, colour=True))
    assert "\x1b[32m-59.6M\x1b[0m" in text
    assert "\x1b[31m+14.3%\x1b[0m" in text
    assert "\x1b[31m✗ fail\x1b[0m" in text


def test_the_environment_is_never_asked(params: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    before = render_terminal(params, Screen(100, colour=True))
    for name, value in {
        "COLUMNS": "20",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "FORCE_COLOR": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert render_terminal(params, Screen(100, colour=True)) == before
    assert "\x1b" not in render_terminal(params, Screen(100))


def test_an_ascii_screen_gets_ascii(report: Report) -> None:
    for width in (None, *WIDTHS):
        assert render_terminal(report, Screen(width, unicode=False)).isascii()


def test_the_last_line_is_the_summary(report: Report) -> None:
    assert render_terminal(report, Screen()).splitlines()[-1] == report.summary
    wrapped = render_terminal(report, Screen(40)).rsplit("\n\n", 1)[-1]
    assert " ".join(wrapped.split()) == report.summary


def test_a_number_stays_with_its_unit_when_a_sentence_wraps() -> None:
    assert Screen(14).fold("v2 needs 11.0 MB less") == ["v2 needs", "11.0 MB less"]


def test_lines_end_where_their_text_ends(report: Report) -> None:
    for screen in (Screen(), Screen(80, colour=True), Screen(50, unicode=False)):
        text = render_terminal(report, screen)
        assert not text.startswith("\n")
        assert not [line for line in ESCAPE.sub("", text).splitlines() if line != line.rstrip()]


def test_rows_add_up_to_the_total_on_the_screen(params: Report) -> None:
    table = params.tables[0]
    cells = [line.split() for line in _lines(params, Screen(60, exact=True))]
    figures = [
        int(words[-2].replace(",", "")) for words in cells if words and words[-1].endswith("%")
    ]
    assert len(figures) == len(table.rows)
    assert sum(figures[:-1]) == figures[-1]


def test_an_empty_table_says_none(comparison: Report) -> None:
    lines = _lines(comparison, Screen(80))
    assert lines[lines.index("Taps that moved") + 1] == "none"


def test_totals_stand_below_a_rule() -> None:
    rows = (Row(("a", 1)), Row(("all", 1), role=Role.TOTAL))
    table = Table(
        "t", "", (Column("path", "path", Kind.PATH), Column("n", "n", Kind.QUANTITY)), rows
    )
    text = render_terminal(Report("k", "t", {}, (table,), "s", {}), Screen())
    assert text == "t\n\npath  n\n───────\na     1\n───────\nall   1\n\ns\n"


def test_names_are_indented_by_depth_as_far_as_they_fit() -> None:
    rows = (Row(("head", Fraction(1))), Row(("head.convolution", Fraction(1)), depth=3))
    table = Table("t", "", (Column("path", "path", Kind.PATH), Column("n", "n", Kind.SHARE)), rows)
    report = Report("k", "t", {}, (table,), "s", {})
    assert "      head.convolution  100.0%" in _lines(report, Screen())
    assert "   head.convolution  100.0%" in _lines(report, Screen(29))
    assert "head.convolution  100.0%" in _lines(report, Screen(25))
    assert "head.co…olution  100.0%" in _lines(report, Screen(23))


def test_a_long_title_is_whole_where_it_fits_and_else_no_wider_than_its_figures() -> None:
    title = "v2+rates=3,6,9+decoder_blocks=3"
    table = Table(
        "t",
        "",
        (Column("path", "path", Kind.PATH), Column("n", title, Kind.QUANTITY)),
        (Row(("a", 12)),),
    )
    report = Report("k", "t", {}, (table,), "s", {})
    needed = len("path") + 2 + len(title)
    assert title in render_terminal(report, Screen(needed))
    assert title in render_terminal(report, Screen())
    narrow = render_terminal(report, Screen(needed - 1))
    assert title not in narrow
    assert "…" in narrow


def test_a_long_path_keeps_both_its_ends() -> None:
    assert shorten_middle("backbone.features.16.block.0", 17, "…") == "backbone….block.0"
    assert shorten_middle("层层层层层层", 7, "…") == "层…层"
    assert shorten_end("Conv2dNormActivation", 10, "...") == "Conv2dN..."


def test_wide_characters_are_counted_as_they_are_drawn() -> None:
    assert [display_width(text) for text in ("abc", "层", "e\u0301", "Δ")] == [3, 2, 1, 1]


def _lines(report: Report, screen: Screen) -> list[str]:
    return render_terminal(report, screen).splitlines()


def _figures(line: str) -> Iterator[str]:
    """The text in a column of its own: two spaces before it."""
    return (
        figure for figure in re.split(r" {2,}", line.strip())[1:] if figure[0] in "+-0123456789"
    )


def _header(report: Report, width: int) -> list[str]:
    return next(line for line in _lines(report, Screen(width)) if line.startswith("module")).split()


def _heights(report: Report, screen: Screen) -> list[int]:
    """Lines of each table, with nothing around that may wrap."""
    tables = tuple(table._replace(note=None) for table in report.tables)
    blocks = render_terminal(report._replace(conditions={}, tables=tables), screen).split("\n\n")
    return [len(block.splitlines()) for block in blocks[1 : len(tables) + 1]]
