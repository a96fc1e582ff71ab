from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ucseg_cli.analysis.rules.first_budgets import FirstBudget
from ucseg_cli.facts.conditions import Conditions, Size, parse_conditions
from ucseg_cli.project.first_section import extended, section_text

BUDGETS = [FirstBudget("params", 645_245), FirstBudget("peak-memory", 18_232_704)]
DAY = "2026-11-24"


def section(model: str = "v2", given: Conditions | None = None) -> str:
    return section_text(model, given or Conditions(), BUDGETS, DAY, table="")


@example("\x7f")
@example('a"b\\c\n\x1b')
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_is_read_back_as_it_is(name: str) -> None:
    assert tomllib.loads(section(name))["default"] == name


def test_each_limit_stands_beside_the_exact_figure_and_the_day() -> None:
    lines = section().splitlines()
    assert 'max = "660k"  # 645,245 on 2026-11-24' in lines
    assert 'max = "18.6 MB"  # 18,232,704 B on 2026-11-24' in lines


def test_a_size_or_other_tensors_are_written_where_they_belong() -> None:
    assert tomllib.loads(section())["size"] == 224
    assert tomllib.loads(section(given=Conditions(Size(3, 4))))["size"] == "3x4"
    other = tomllib.loads(section(given=parse_conditions("1x16:int64")))
    assert "size" not in other
    assert [budget.get("input") for budget in other["budgets"]] == [None, "1x16:int64"]


def test_a_model_that_does_not_run_has_no_input() -> None:
    text = section_text("v2", None, BUDGETS[:1], DAY, table="tool.ucseg")
    found = tomllib.loads(text)["tool"]["ucseg"]
    assert found.keys() == {"default", "budgets"}
    assert "does not run" in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"a\nb\n"),
        (b"x = 1", b"x = 1\n\na\nb\n"),
        (b"x = 1\n", b"x = 1\n\na\nb\n"),
        (b"x = 1\n\n", b"x = 1\n\na\nb\n"),
        (b"x = 1\r\n", b"x = 1\r\n\r\na\r\nb\r\n"),
        (b"x = 1\r\ny = 2", b"x = 1\r\ny = 2\r\n\r\na\r\nb\r\n"),
        (b"x = 1\r\n\r\n", b"x = 1\r\n\r\na\r\nb\r\n"),
        (b"x = 1\ny = 2\nz = 3\r\n", b"x = 1\ny = 2\nz = 3\r\n\na\nb\n"),
    ],
)
def test_a_section_is_added_after_an_empty_line_with_the_line_endings_of_the_file(
    before: bytes, after: bytes
) -> None:
    assert extended(before, "a\nb\n") == after
