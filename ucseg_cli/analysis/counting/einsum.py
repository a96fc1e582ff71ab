"""The price that fvcore gives an einsum.

It is an exact matmul for two equations and NumPy's printed estimate for all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod

Shape = Sequence[int]
Term = frozenset[str]

MATMULS = {"abc,abd->acd": -1, "abc,adc->adb": 1}
"""The equations that fvcore knows as a matmul, with the second operand's axis that is its own."""


def einsum_cost(equation: str, shapes: Sequence[Shape]) -> int:
    """Multiply-adds of an einsum as fvcore has them.

    Half of ``numpy.einsum_path``'s best operation count and one, which fvcore reads in the text
    that NumPy prints, with four digits.
    """
    equation = equation.replace(" ", "")
    if (axis := MATMULS.get(_renamed(equation))) is not None:
        return prod(shapes[0]) * shapes[1][axis]
    terms, output, sides = _parse(equation, shapes)
    # where no axis is summed over, NumPy looks for no order
    in_one = output.issuperset(sides)
    cost = (_contraction if in_one else _cheapest)(terms, output, sides)
    return int(float(f"{cost + 1:.3e}") // 2)


def _renamed(equation: str) -> str:
    """The equation with its letters in the order of the alphabet."""
    letters = dict.fromkeys(filter(str.isalpha, equation))
    return equation.translate({ord(letter): 97 + place for place, letter in enumerate(letters)})


def _parse(equation: str, shapes: Sequence[Shape]) -> tuple[list[Term], Term, Mapping[str, int]]:
    """The axes of each operand, those of the output, and the length of each axis."""
    left, arrow, right = equation.partition("->")
    terms = [_axes(term, len(shape)) for term, shape in zip(left.split(","), shapes, strict=True)]
    sides: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for axis, side in zip(term, shape, strict=True):
            sides[axis] = max(side, sides.get(axis, 1))
    written = [axis for term in terms for axis in term]
    implied = [axis for axis in sides if written.count(axis) == 1]
    output = set(right.replace("...", "")) if arrow else set(implied)
    if "..." in right or not arrow:
        output.update(filter(str.isdigit, sides))  # the axes that an ellipsis stands for
    return [frozenset(term) for term in terms], frozenset(output), sides


def _axes(term: str, rank: int) -> list[str]:
    """The axes of an operand; those that an ellipsis stands for are numbered from the right."""
    before, dots, after = term.partition("...")
    hidden = rank - len(before) - len(after) if dots else 0
    return [*before, *map(str, reversed(range(hidden))), *after]


def _cheapest(terms: Sequence[Term], output: Term, sides: Mapping[str, int]) -> int:
    """The fewest operations over every order of contracting two operands at a time."""
    if len(terms) <= 2:
        return _contraction(terms, output, sides)
    costs = []
    for pair in combinations(range(len(terms)), 2):
        rest = [term for place, term in enumerate(terms) if place not in pair]
        kept = (terms[pair[0]] | terms[pair[1]]) & output.union(*rest)
        contraction = _contraction([terms[place] for place in pair], kept, sides)
        costs.append(contraction + _cheapest([*rest, kept], output, sides))
    return min(costs)


def _contraction(terms: Sequence[Term], kept: Term, sides: Mapping[str, int]) -> int:
    """One operation for each combination of axes, and one more where an axis is summed over."""
    axes = frozenset[str]().union(*terms)
    return prod(sides[axis] for axis in axes) * (max(1, len(terms) - 1) + bool(axes - kept))
