"""A small, checked language of arithmetic: Python's parser reads it, and nothing of it is ever run.

A subclass of ArithmeticReader says which numbers, names, functions and operations there are. Each
part of an expression becomes a function of what the names stand for.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from ucseg_cli.errors import UnknownNameError, UsageError, Where

DEEPEST = 100
"""Levels of operations in an expression."""
SEVERAL = frozenset({"min", "max"})
"""Functions of two or more numbers; all others take one."""

Given = TypeVar("Given")
Run = Callable[[Given], Any]
"""The value of a part of an expression, worked out from what its names stand for."""


class ArithmeticReader(Generic[Given]):
    """An expression as it is read.

    Args:
        text: as it was written.
        plain: the same, with letters in place of signs so that Python's parser reads every name as
            one word; as long as *text*, letter by letter.
    """

    functions: ClassVar[Mapping[str, Callable[..., Any]]]
    operations: ClassVar[Mapping[type[ast.operator], Callable[[Any, Any], Any]]]

    def __init__(self, text: str, plain: str) -> None:
        self.text = text
        self._plain = plain

    def read(self) -> Run[Given]:
        """How it is worked out; raises UsageError with the place of a mistake."""
        if (comment := self.text.find("#")) >= 0:
            raise self.mistake("'#' is not allowed", comment + 1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as about ``1if``, which is refused below
                tree = ast.parse(self._plain, mode="eval")
        except SyntaxError as error:
            column, last = error.offset or len(self.text) + 1, len(self.text)
            if column > last:
                raise self.mistake("something is missing at its end", last) from None
            is_open = "was never closed" in error.msg
            what = "the bracket is not closed" if is_open else "it cannot be read here"
            raise self.mistake(what, column) from None
        except (ValueError, MemoryError, RecursionError):
            raise self.mistake("it cannot be read", 1) from None
        return self._run(tree.body, 0)

    def mistake(self, what: str, column: int) -> UsageError:
        """The error of what stands at a column, from 1."""
        raise NotImplementedError

    def place(self, column: int) -> Where:
        """Where a column of the expression is."""
        raise NotImplementedError

    def number(self, value: float, node: ast.expr) -> Run[Given]:
        """A number as it was written."""
        raise NotImplementedError

    def named(self, node: ast.expr) -> Run[Given] | None:
        """The value of a name; None for what is not one."""
        raise NotImplementedError

    def word(self, word: str) -> str:
        """A name as it was written."""
        return word

    def column(self, node: ast.expr) -> int:
        """The column of a node, from 1; Python counts bytes."""
        return len(self._plain.encode()[: node.col_offset].decode()) + 1

    def source(self, node: ast.expr) -> str:
        """The part of the expression that a node was read from."""
        data = self._plain.encode()
        begin, end = node.col_offset, node.end_col_offset or len(data)
        before, inside = data[:begin].decode(), data[begin:end].decode()
        return self.text[len(before) : len(before) + len(inside)]

    def _run(self, node: ast.expr, depth: int) -> Run[Given]:
        if depth > DEEPEST:
            raise self.mistake(f"it is nested more than {DEEPEST} deep", self.column(node))
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self.number(number, node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                of = self._run(operand, depth + 1)
                return of if isinstance(sign, ast.UAdd) else lambda given: -of(given)
            case ast.BinOp(op=operator) if type(operator) in self.operations:
                work_out = self.operations[type(operator)]
                one, other = self._run(node.left, depth + 1), self._run(node.right, depth + 1)
                return lambda given: work_out(one(given), other(given))
            case ast.Call(func=ast.Name(id=word), args=arguments, keywords=[]):
                return self._call(word, node, arguments, depth)
        found = self.named(node)
        if found is None:
            raise self.mistake(f"'{self.source(node)}' is not allowed", self.column(node))
        return found

    def _call(self, word: str, node: ast.expr, given: list[ast.expr], depth: int) -> Run[Given]:
        name, column = self.word(word), self.column(node)
        if name not in self.functions:
            raise UnknownNameError("function", name, self.functions, where=self.place(column))
        takes_several = name in SEVERAL
        if not given or (len(given) > 1) != takes_several:
            number = "two or more numbers" if takes_several else "one number"
            raise self.mistake(f"{name} takes {number}", column)
        function = self.functions[name]
        arguments = [self._run(one, depth + 1) for one in given]
        return lambda given: function(*(argument(given) for argument in arguments))
