"""Patterns over module paths mean what their stars say, and are matched in bounded time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ucseg_cli.references.path_pattern import is_pattern, path_pattern

SIGNS = ("a", "b", ".", "*", "**", "?", "[ab]")
MEANING = {"*": "[^.]*", "**": ".*", "?": "[^.]", "[ab]": "[ab]", ".": r"\."}


@given(st.lists(st.sampled_from(SIGNS), max_size=8), st.text("ab.", max_size=10))
@example(["**", "a", "*", "b"], "a.ab")
@example(["*", "a", ".", "a", "*", "b"], "a.a.ab")
def test_a_pattern_fits_what_its_signs_mean(signs: list[str], path: str) -> None:
    kept: list[str] = []
    for sign in signs:
        if not (kept and "*" in sign and "*" in kept[-1]):  # would be read as another sign
            kept.append(sign)
    signs = kept
    meaning = "".join(MEANING.get(sign, sign) for sign in signs)
    fits = path_pattern("".join(signs)).fullmatch(path) is not None
    assert fits is (re.fullmatch(meaning, path) is not None)


@pytest.mark.parametrize(
    "pattern",
    ["*" * 60 + "x", "**a" * 40 + "x", "*a" * 40 + "x", "**a*a" * 20 + "x", "**.*" * 30 + "x"],
)
@pytest.mark.parametrize("path", ["a" * 400, "a." * 200, "a.aa." * 80])
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    start = time.process_time()
    assert path_pattern(pattern).fullmatch(path) is None
    assert time.process_time() - start < 2


def test_more_stars_span_as_two_do() -> None:
    assert path_pattern("a***b").fullmatch("a.c.b")
    assert is_pattern("a***b")
