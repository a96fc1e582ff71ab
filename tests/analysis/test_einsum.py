"""The price of an einsum, compared with fvcore's own reading of NumPy's estimate."""

from __future__ import annotations

from math import floor

import numpy as np
import pytest

from ucseg_cli.analysis.counting.einsum import einsum_cost

Shapes = list[tuple[int, ...]]


def printed(equation: str, shapes: Shapes) -> int:
    """Half of the count that NumPy prints, as fvcore has it."""
    text = np.einsum_path(equation, *map(np.zeros, shapes), optimize="optimal")[1]
    line = next(line for line in text.splitlines() if "Optimized FLOP" in line)
    return floor(float(line.split(":")[1]) / 2)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("bij,bjk->i", [(2, 3, 4), (2, 4, 5)]),
        ("bthwc,hwkc->bthwk", [(2, 8, 56, 56, 97), (56, 56, 31, 97)]),
        ("ij,jk", [(7, 9), (9, 5)]),
        ("ji", [(7, 9)]),
        ("ij->j", [(7, 9)]),
        ("ii->i", [(7, 7)]),
        ("i,j->ij", [(7,), (9,)]),
        ("...ij,jk->...ik", [(2, 1, 3, 4), (4, 5)]),
        ("...ij,...jk", [(6, 1, 3, 4), (2, 4, 5)]),
        ("...,...", [(6, 7), (6, 7)]),
        ("ij,jk,kl->il", [(7, 90), (90, 5), (5, 400)]),
        ("ab,bc,cd,de->ae", [(70, 9), (9, 50), (50, 4), (4, 33)]),
        ("a,a,b,ba->ab", [(11,), (11,), (10,), (10, 11)]),
    ],
)
def test_the_price_is_half_of_numpy_s_best_count(equation: str, shapes: Shapes) -> None:
    assert einsum_cost(equation, shapes) == printed(equation, shapes)


def test_it_has_four_digits_because_fvcore_reads_it_in_a_text() -> None:
    assert einsum_cost("ij,jk->ik", [(123, 457), (457, 89)]) == 5_005_000 != 123 * 457 * 89


@pytest.mark.parametrize(
    ("equation", "other"), [("bij, bik -> bjk", (123, 457, 89)), ("xyz,xwz->xwy", (123, 89, 331))]
)
def test_a_matmul_that_fvcore_knows_has_every_digit(equation: str, other: tuple[int, ...]) -> None:
    assert einsum_cost(equation, [(123, 457, 331), other]) == 123 * 457 * 331 * 89
