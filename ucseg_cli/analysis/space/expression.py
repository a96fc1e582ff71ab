"""Formulas over metrics and scores, as in ``miou - 0.02*log2(params)``: a small, checked language.

Numbers, ``+ - * / **``, brackets, the functions of FUNCTIONS and names. A metric has ``-`` or ``_``
between its words, and may have an input: ``fvcore@512``. Nothing else is allowed, and no text of a
user's is ever run.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.analysis.space.benefits import BENEFITS
from ucseg_cli.analysis.space.sweep_answer import Number
from ucseg_cli.errors import UnknownNameError, UsageError

LONGEST, DEEPEST = 1_000, 100
"""Letters of a formula, and levels of operations in it."""
_HELP = "write one such as miou - 0.02*log2(params); `ucseg explain metrics` has the names"
_WORD = r"[^\W\d]\w*"
_LETTERS = str.maketrans({"-": "_", ":": "ǁ", "@": "ǀ", ".": "ǂ"})  # noqa: RUF001 - they are never typed
"""Letters in place of the signs in a name, so that Python's own parser reads it as one word."""

Row = Mapping[str, Number | None]
"""The figures of a variant by the names in a formula."""
Run = Callable[[Row], float]


class NamedFigure(NamedTuple):
    """A name in a formula as it was written, and the column in which it stands, from 1."""

    text: str
    column: int


class Formula(NamedTuple):
    """A formula as it was written, the names in it, each once, and how it is worked out."""

    text: str
    names: tuple[NamedFigure, ...]
    run: Run


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


FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "log2": _log2,
    "log": _log,
    "sqrt": _sqrt,
    "abs": abs,
    "min": min,
    "max": max,
}
_OF_SEVERAL = {"min", "max"}
_OPERATIONS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda one, other: one + other,
    ast.Sub: lambda one, other: one - other,
    ast.Mult: lambda one, other: one * other,
    ast.Div: lambda one, other: one / other,
    ast.Pow: _power,
}


def _name_pattern(known: Iterable[str]) -> re.Pattern[str]:
    """A name, with its tap and input if it has these; longer ones of those known come first."""
    hyphenated = sorted((name for name in known if "-" in name), key=len, reverse=True)
    names = "|".join((*(re.escape(name).replace(r"\-", "[-_]") for name in hyphenated), _WORD))
    return re.compile(rf"(?<![\w.])(?:{names})(?!\w)(?::{_WORD}[\w.]*)?(?:@[0-9]+(?:x[0-9]+)?)?")


class _Reader:
    """A formula as it is read, and the names that have been found."""

    def __init__(self, text: str, name: re.Pattern[str]) -> None:
        self._text = text
        self._written: dict[str, str] = {}
        self._plain = name.sub(self._as_one_word, text)
        self.names: dict[str, NamedFigure] = {}

    def read(self) -> Run:
        """How it is worked out; raises UsageError."""
        if (comment := self._text.find("#")) >= 0:
            raise self._mistake("'#' is not allowed", comment + 1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as about ``1if``, which is refused below
                tree = ast.parse(self._plain, mode="eval")
        except SyntaxError as error:
            column, last = error.offset or len(self._text) + 1, len(self._text)
            if column > last:
                raise self._mistake("something is missing at its end", last) from None
            is_open = "was never closed" in error.msg
            what = "the bracket is not closed" if is_open else "it cannot be read here"
            raise self._mistake(what, column) from None
        except (ValueError, MemoryError, RecursionError):
            raise self._mistake("it cannot be read", 1) from None
        return self._run(tree.body, 0)

    def _as_one_word(self, match: re.Match[str]) -> str:
        word = match[0].translate(_LETTERS)
        self._written[word] = match[0]
        return word

    def _mistake(self, what: str, column: int) -> UsageError:
        where = f"--score {self._text}, at column {column}"
        return UsageError(f"'{self._text}': {what}", where=where, help=_HELP)

    def _column(self, node: ast.expr) -> int:
        """The column of a node, from 1; Python counts bytes."""
        return len(self._plain.encode()[: node.col_offset].decode()) + 1

    def _run(self, node: ast.expr, depth: int) -> Run:
        if depth > DEEPEST:
            raise self._mistake(f"it is nested more than {DEEPEST} deep", self._column(node))
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self._constant(number, node)
            case ast.Name(id=word):
                return self._figure(word, node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                of = self._run(operand, depth + 1)
                return of if isinstance(sign, ast.UAdd) else lambda row: -of(row)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATIONS:
                work_out = _OPERATIONS[type(operator)]
                one, other = self._run(left, depth + 1), self._run(right, depth + 1)
                return lambda row: work_out(one(row), other(row))
            case ast.Call(func=ast.Name(id=word), args=arguments, keywords=[]):
                return self._call(word, node, arguments, depth)
        raise self._mistake(f"'{self._source(node)}' is not allowed", self._column(node))

    def _constant(self, number: float, node: ast.expr) -> Run:
        try:
            value = float(number)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self._mistake("the number is too large", self._column(node))
        return lambda _: value

    def _figure(self, word: str, node: ast.expr) -> Run:
        name = self._written.get(word, word)
        self.names.setdefault(name, NamedFigure(name, self._column(node)))

        def figure(row: Row) -> float:
            value = row[name]
            if value is None:
                raise _MissingError(f"no {name}")
            return float(value)

        return figure

    def _call(self, word: str, node: ast.expr, given: list[ast.expr], depth: int) -> Run:
        name, place = self._written.get(word, word), f"--score {self._text}"
        if name not in FUNCTIONS:
            where = f"{place}, at column {self._column(node)}"
            raise UnknownNameError("function", name, FUNCTIONS, where=where)
        takes_several = name in _OF_SEVERAL
        if not given or (len(given) > 1) != takes_several:
            number = "two or more numbers" if takes_several else "one number"
            raise self._mistake(f"{name} takes {number}", self._column(node))
        function = FUNCTIONS[name]
        arguments = [self._run(one, depth + 1) for one in given]
        return lambda row: function(*(argument(row) for argument in arguments))

    def _source(self, node: ast.expr) -> str:
        """The part of the formula that a node was read from."""
        data = self._plain.encode()
        begin, end = node.col_offset, node.end_col_offset or len(data)
        before, inside = data[:begin].decode(), data[begin:end].decode()
        return self._text[len(before) : len(before) + len(inside)]
