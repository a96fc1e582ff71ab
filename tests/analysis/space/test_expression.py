"""Formulas: what they give, and that nothing else is let through."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.arithmetic import DEEPEST
from ucseg_cli.analysis.space.expression import LONGEST, Score, evaluate, parse_formula
from ucseg_cli.errors import UcsegError, UsageError

ROW = {
    "miou": 0.5,
    "params": 2**20,
    "fvcore@512": 8,
    "fvcore@384x640": 3,
    "peak-memory": 4,
    "peak_memory": 4,
    "output-stride:mid": 16,
    "z": 0,
    "none": None,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("miou - 0.02*log2(params)", 0.5 - 0.02 * 20),
        ("2*fvcore@512+1", 17),
        ("fvcore@384x640 ** 2", 9),
        ("peak-memory-1", 3),
        ("peak_memory - 1", 3),
        ("output-stride:mid/4", 4),
        ("-miou + +1", 0.5),
        ("(1 + 2) * 3 ** 2", 27),
        ("min(miou, 1, 2) + max(z, 3)", 3.5),
        ("abs(-2.5e0)", 2.5),
        ("sqrt(16) + log(1)", 4),
        ("2 ** -1", 0.5),
        ("\n miou\n", 0.5),
    ],
)
def test_a_formula_is_worked_out_as_arithmetic_is(text: str, value: float) -> None:
    score = evaluate(parse_formula(text), ROW)  # type: ignore[arg-type]
    assert score.reason is None
    assert score.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1/z", "division by zero"),
        ("z ** -1", "division by zero"),
        ("log2(z)", "log2 of 0"),
        ("log(-1)", "log of a negative number"),
        ("sqrt(-1)", "sqrt of a negative number"),
        ("(-8) ** 0.5", "a root of a negative number"),
        ("9.0 ** 999", "a number too large"),
        ("9 ** 9 ** 9 ** 9", "a number too large"),
        ("1e308 * 10", "a number too large"),
        ("1e308*10 - 1e308*10", "a number too large"),
        ("miou + none", "no none"),
    ],
)
def test_what_has_no_value_is_missing_with_its_reason(text: str, reason: str) -> None:
    assert evaluate(parse_formula(text), ROW) == Score(None, reason)  # type: ignore[arg-type]


def test_names_are_found_once_with_their_columns() -> None:
    formula = parse_formula("é + peak-memory*fvcore@512 - é")
    assert [tuple(name) for name in formula.names] == [
        ("é", 1),
        ("peak-memory", 5),
        ("fvcore@512", 17),
    ]


def test_a_score_is_named_with_its_hyphens_and_longer_names_come_first() -> None:
    text = "my-score - my - my_score-v2*my-score-v2b"
    names = parse_formula(text, ["my", "my-score", "my-score-v2"]).names
    assert [name.text for name in names] == ["my-score", "my", "my_score-v2", "v2b"]


def test_a_mistake_at_the_end_says_so() -> None:
    with pytest.raises(UsageError, match="something is missing at its end"):
        parse_formula("params +")
    with pytest.raises(UsageError, match="the bracket is not closed"):
        parse_formula("log2(params")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a <", 3),
        ("params +", 8),
        ("2*(a + 1", 3),
        ("a # b", 3),
        ("a; b", 2),
        ("é + é.x", 5),
        ("1 + 'x'", 5),
        ("a == b", 1),
        ("a if b else c", 1),
        ("1 + (lambda: 1)", 6),
        ("[1]", 1),
        ("True", 1),
        ("a @ b", 1),
        ("a // b", 1),
        ("a % b", 1),
        ("~a", 1),
        ("not a", 1),
        ("a[0]", 1),
        ("2 + max(1, *a)", 12),
        ("log(x=1)", 1),
        ("log(1, 2)", 1),
        ("min(1)", 1),
        ("sqrt()", 1),
        ("f(1)(2)", 1),
        ("1e999", 1),
        ("a := 1", 3),
        ("2 3", 3),
        ("1j", 1),
        ("_" * 3 + "import__('os')", 1),
        ("__import__('os')", 1),
        ("1 + logg(2)", 5),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, column: int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_formula(text)
    assert caught.value.where == f"--score {text}, at column {column}"
    assert caught.value.help or caught.value.notes


@pytest.mark.parametrize("text", ["", "  ", "x" * (LONGEST + 1), "a\0b", "\ud800", "(" * 900])
def test_what_cannot_be_a_formula_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_formula(text)


def test_a_formula_may_be_as_deep_and_as_long_as_it_says() -> None:
    assert evaluate(parse_formula("-" * DEEPEST + "1"), {}).value == 1
    with pytest.raises(UsageError, match=f"nested more than {DEEPEST} deep"):
        parse_formula("-" * (DEEPEST + 1) + "1")
    assert parse_formula("x" * LONGEST).names[0].text == "x" * LONGEST


def test_a_mistyped_function_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        parse_formula("lgo2(params)")
    assert caught.value.help == "did you mean 'log2'?"


NUMBERS = st.floats(-1e3, 1e3, allow_nan=False).map(lambda value: round(value, 3))
TEXTS = st.recursive(
    st.sampled_from(["miou", "params", "z"]) | NUMBERS.map(repr),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
    max_leaves=8,
)


@given(TEXTS)
def test_sums_and_products_are_those_of_python(text: str) -> None:
    names = {"miou": 0.5, "params": float(2**20), "z": 0.0}
    expected = eval(text, {}, names)
    assert evaluate(parse_formula(text), ROW).value == expected  # type: ignore[arg-type]


@given(st.text("ab_.@:-+*/()0123456789, e'[]{}=<>!~%^&|\\#\n\té", max_size=30))
def test_no_text_does_more_than_fail(text: str) -> None:
    try:
        formula = parse_formula(text)
    except UcsegError:
        return
    value = evaluate(formula, {name.text: 2 for name in formula.names}).value
    assert value is None or math.isfinite(value)
