from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table
from ucseg_cli.report.formats.ci.comment import render_comment
from ucseg_cli.report.formats.markdown import render_markdown

Run = Callable[..., CompletedProcess[str]]

TOO_LONG = "_The rest is too long for a comment; the job's log and its summary have it._"
MOST = 65_536
"""Characters that GitHub takes for a comment."""
COLUMNS = (
    Column("status", "status", Kind.STATUS),
    Column("name", "name"),
    Column("delta", "Δ", Kind.DELTA),
)


def _report(
    *rows: tuple[Cell, ...], verdict: str = "fail", title: str = "check v2", summary: str = "Done."
) -> Report:
    table = Table("limits", "Limits", COLUMNS, tuple(map(Row, rows)), "a note")
    return Report(
        "ucseg.check",
        title,
        {"input": "1×3×64×64"},
        (table,),
        summary,
        {"verdict": {"status": verdict}},
    )


def _outside(comment: str) -> str:
    """The text in sight before anything is unfolded."""
    before, opening, rest = comment.partition("<details>")
    inside, closing, after = rest.partition("</details>")
    assert bool(opening) == bool(closing), "an element is left open"
    assert "<details>" not in inside + after
    return before + after


def test_the_marker_comes_first_then_the_headline_then_the_summary(comparison: Report) -> None:
    lines = render_comment(comparison).splitlines()
    assert lines[:5] == [
        "<!-- ucseg.compare -->",
        "",
        "### compare v1 → v2",
        "",
        comparison.summary,
    ]
    assert lines[6] == "<sub>input 1×3×384×640</sub>"


@pytest.mark.parametrize(
    ("verdict", "sign"),
    [("fail", "❌"), ("differs", "❌"), ("warn", "⚠️"), ("pass", "✅"), ("agrees", "✅")],
)
def test_the_headline_carries_the_sign_of_the_verdict(verdict: str, sign: str) -> None:
    assert render_comment(_report(verdict=verdict)).splitlines()[2] == f"### {sign} check v2"


def test_only_rows_that_say_something_new_are_in_sight() -> None:
    rows: dict[str, tuple[Cell, ...]] = {
        "worse": ("pass", "worse", 1),
        "better": (None, "better", -1), "exceeded": ("fail", "exceeded", 0),
        "near": ("warn", "near", None), "same": (None, "same", 0), "held": ("pass", "held", 0),
        "unknown": (None, "unknown", None),
    }  # fmt: skip
    comment = render_comment(_report(*rows.values()))
    assert [name for name in rows if name in _outside(comment)] == [
        "worse",
        "better",
        "exceeded",
        "near",
    ]
    assert [name for name in rows if name in comment] == list(rows)


def test_a_table_without_news_is_folded_whole(comparison: Report) -> None:
    comment = render_comment(comparison)
    assert "### Totals" in _outside(comment)
    assert "Axes" not in _outside(comment)
    assert "### Axes" in comment


def test_the_fold_holds_the_whole_report_as_markdown(comparison: Report) -> None:
    for exact in (False, True):
        comment = render_comment(comparison, exact=exact)
        assert comment.endswith(
            f"</summary>\n\n{render_markdown(comparison, exact=exact)}\n</details>\n"
        )


def test_nothing_in_a_name_is_markup(hostile: Report) -> None:
    comment = render_comment(hostile._replace(summary="</details><script>", title="<!-- x -->"))
    tags = re.findall(r"(?<!\\)<.*?(?<!\\)>", comment)
    assert tags == [
        "<!-- ucseg.params -->",
        "<sub>",
        "</sub>",
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
    ]
    assert comment.splitlines()[2] == r"### \<!-- x --\>"


def test_a_comment_that_just_fits_is_whole_and_one_character_less_loses_the_fold() -> None:
    report = _report(("fail", "exceeded", 1), ("pass", "held", 0))
    whole = render_comment(report)
    assert render_comment(report, most=len(whole)) == whole
    shorter = render_comment(report, most=len(whole) - 1)
    assert "<details>" not in shorter
    assert "exceeded" in shorter
    assert shorter.endswith(f"\n\n{TOO_LONG}\n")


@pytest.mark.parametrize("status", ["fail", "pass"])
def test_an_enormous_report_keeps_what_fits_and_says_that_it_is_not_all(status: str) -> None:
    rows = [(status, f"budget-{number}", 0) for number in range(5_000)]
    report = _report(("fail", "the-first", 1), *rows)
    comment = render_comment(report)
    assert len(render_markdown(report)) > MOST >= len(comment)
    assert comment.startswith("<!-- ucseg.check -->\n\n### ❌ check v2\n\nDone.\n")
    assert comment.count(TOO_LONG) == 1
    assert "the-first" in comment
    assert ("and 4,961 others, in the whole report" in comment) == (
        status == "fail"
    )  # 5,001 fail, 40 are shown


@pytest.mark.parametrize("most", [200, 1_000, MOST])
def test_no_report_is_longer_than_a_comment_may_be(most: int) -> None:
    report = _report(*[("fail", "x" * 200, 0)] * 500, title="t" * MOST, summary="s" * MOST)
    comment = render_comment(report) if most == MOST else render_comment(report, most=most)
    assert len(comment) <= most
    assert comment.startswith("<!-- ucseg.check -->\n\n### ❌ ttt")
    assert comment.endswith(f"…\n\n{TOO_LONG}\n")


def test_check_shows_what_is_exceeded_and_folds_what_holds(ucseg: Run) -> None:
    answer = ucseg("check", "-m", "params=600k", "-m", "fvcore=800M", "--format", "comment")
    assert answer.returncode == 1
    assert answer.stdout.startswith(
        "<!-- ucseg.check -->\n\n### ❌ check v2\n\n1 of 2 limits exceeded: "
    )
    assert "✗ fail" in _outside(answer.stdout)
    assert "✓ pass" not in _outside(answer.stdout)
    assert "✓ pass" in answer.stdout


def test_compare_shows_what_changed_and_the_fold_has_all(ucseg: Run) -> None:
    comment, whole = (
        ucseg("compare", "v1", "v2", "-f", form).stdout for form in ("comment", "markdown")
    )
    assert comment.startswith("<!-- ucseg.compare -->\n\n### compare v1 → v2\n")
    assert "<details><summary>" in comment
    assert whole.rstrip() in comment
    assert whole.rstrip() not in _outside(comment)
    assert "| parameters " in _outside(comment)


def test_a_model_compared_with_itself_has_no_news(ucseg: Run) -> None:
    assert "|" not in _outside(ucseg("compare", "v2", "v2", "-f", "comment").stdout)


def test_the_workflow_of_the_pages_edits_only_a_comment_that_is_its_own() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "ci.md").read_text("utf-8")
    searches = [line for line in page.splitlines() if "known=$(gh api" in line]
    own = '.user.login == "github-actions[bot]" and (.body | startswith("<!-- ucseg.check -->"))'
    assert len(searches) == 2
    assert all(f"select({own})" in search for search in searches)
