"""Formulas over metrics and scores, as in ``miou - 0.02*log2(params)``: a small, checked language.

Numbers, ``+ - * / **``, brackets, functions and names. A metric has ``-`` or ``_`` between its
words, and may have an input: ``fvcore@512``. Nothing else is allowed, and no text of a user's is
ever run.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, NamedTuple

from ucseg_cli.analysis.arithmetic import ArithmeticReader, Run
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.analysis.space.benefits import BENEFITS
from ucseg_cli.analysis.space.sweep_answer import Number
from ucseg_cli.errors import UsageError

LONGEST = 1_000
"""Letters of a formula."""
_HELP = "write one such as miou - 0.02*log2(params); `ucseg explain metrics` has the names"
_WORD = r"[^\W\d]\w*"
_LETTERS = str.maketrans({"-": "_", ":": "ǁ", "@": "ǀ", ".": "ǂ"})  # noqa: RUF001 - they are never typed
"""Letters in place of the signs in a name, so that Python's own parser reads it as one word."""

Row = Mapping[str, Number | None]
"""The figures of a variant by the names in a formula."""


class NamedFigure(NamedTuple):
    """A name in a formula as it was written, and the column in which it stands, from 1."""

    text: str
    column: int


class Formula(NamedTuple):
    """A formula as it was written, the names in it, each once, and how it is worked out."""

    text: str
    names: tuple[NamedFigure, ...]
    run: Run[Row]


class Score(NamedTuple):
    """The value of a formula for a variant; None if it has none, and the *reason*."""

    value: float | None
    reason: str | None = None


class _MissingError(ArithmeticError):
    """A figure that a variant does not have."""


def parse_formula(text: str, scores: Iterable[str] = ()) -> Formula:
    """The formula; raises UsageError with the place of a mistake, names left unchecked.

    A ``-`` in the name of a metric, or of one of the *scores*, is not a minus.
    """
    text = " ".join(text.split())
    if not text:
        raise UsageError("the formula is empty", where="--score", help=_HELP)
    if len(text) > LONGEST:
        what = f"the formula has more than {LONGEST:,} letters"
        raise UsageError(what, where=f"--score {text[:24]}…", help="write a shorter one")
    reader = _Reader(text, _name_pattern((*EVERY_METRIC, *BENEFITS, *scores)))
    run = reader.read()
    return Formula(text, tuple(reader.names.values()), run)


def evaluate(formula: Formula, row: Row) -> Score:
    """The value, as a float that is finite, or why there is none."""
    try:
        value = formula.run(row)
    except _MissingError as error:
        return Score(None, str(error))
    except ZeroDivisionError:
        return Score(None, "division by zero")
    except OverflowError:
        return Score(None, "a number too large")
    except ValueError as error:
        return Score(None, str(error))
    return Score(value) if math.isfinite(value) else Score(None, "a number too large")


def _log2(value: float) -> float:
    return math.log2(_above_zero("log2", value))


def _log(value: float) -> float:
    return math.log(_above_zero("log", value))


def _sqrt(value: float) -> float:
    if value < 0:
        raise ValueError("sqrt of a negative number")
    return math.sqrt(value)


def _above_zero(name: str, value: float) -> float:
    if value <= 0:
        raise ValueError(f"{name} of {'0' if value == 0 else 'a negative number'}")
    return value


def _power(base: float, exponent: float) -> float:
    found = base**exponent
    if isinstance(found, complex):
        raise ValueError("a root of a negative number")  # noqa: TRY004 - the value is at fault
    return float(found)


def _name_pattern(known: Iterable[str]) -> re.Pattern[str]:
    """A name, with its tap and input if it has these; longer ones of those known come first."""
    hyphenated = sorted((name for name in known if "-" in name), key=len, reverse=True)
    names = "|".join((*(re.escape(name).replace(r"\-", "[-_]") for name in hyphenated), _WORD))
    return re.compile(rf"(?<![\w.])(?:{names})(?!\w)(?::{_WORD}[\w.]*)?(?:@[0-9]+(?:x[0-9]+)?)?")


class _Reader(ArithmeticReader[Row]):
    """A formula as it is read, and the names that have been found."""

    functions: ClassVar[Mapping[str, Callable[..., float]]] = {
        "log2": _log2,
        "log": _log,
        "sqrt": _sqrt,
        "abs": abs,
        "min": min,
        "max": max,
    }
    operations: ClassVar[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
        ast.Add: lambda one, other: one + other,
        ast.Sub: lambda one, other: one - other,
        ast.Mult: lambda one, other: one * other,
        ast.Div: lambda one, other: one / other,
        ast.Pow: _power,
    }

    def __init__(self, text: str, name: re.Pattern[str]) -> None:
        self._written: dict[str, str] = {}
        self.names: dict[str, NamedFigure] = {}
        super().__init__(text, name.sub(self._as_one_word, text))

    def mistake(self, what: str, column: int) -> UsageError:
        return UsageError(f"'{self.text}': {what}", where=self.place(column), help=_HELP)

    def place(self, column: int) -> str:
        return f"--score {self.text}, at column {column}"

    def number(self, value: float, node: ast.expr) -> Run[Row]:
        try:
            known = float(value)
        except OverflowError:
            known = math.inf
        if not math.isfinite(known):
            raise self.mistake("the number is too large", self.column(node))
        return lambda _: known

    def named(self, node: ast.expr) -> Run[Row] | None:
        if not isinstance(node, ast.Name):
            return None
        name = self.word(node.id)
        self.names.setdefault(name, NamedFigure(name, self.column(node)))

        def figure(row: Row) -> float:
            value = row[name]
            if value is None:
                raise _MissingError(f"no {name}")
            return float(value)

        return figure

    def word(self, word: str) -> str:
        return self._written.get(word, word)

    def _as_one_word(self, match: re.Match[str]) -> str:
        word = match[0].translate(_LETTERS)
        self._written[word] = match[0]
        return word
