"""The price of an operator as a formula over the shapes of a call, as in ``2*out[0].numel``.

Whole numbers, ``+ - * // **``, brackets, ``min`` and ``max``, and the tensors of the call, as in
``in[1].shape[3]``: ``numel`` is how many elements one has, ``shape[k]`` a length, from the end if
*k* is negative.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import ClassVar, NamedTuple

from ucseg_cli.analysis.arithmetic import ArithmeticReader, Run
from ucseg_cli.errors import ConfigurationError, Place, UnknownNameError
from ucseg_cli.facts.trace import Op, Price, Trace

LONGEST = 300
"""Letters of a price."""
LARGEST = 2**63
IN_BOUNDS = "a price is a whole number from 0; max(0, …) and max(1, …) keep its parts in bounds"
MOST_BITS = 4_096
"""A power with more of them is refused before it is worked out."""
PROPERTIES = ("numel", "shape")
_HELP = "write one such as 2*out[0].numel*in[1].shape[1]"
_IN = "ǀǀ"  # noqa: RUF001 - it is never typed
"""In place of ``in``, which Python keeps for itself."""

Shape = tuple[int, ...]


class Call(NamedTuple):
    """The shapes of a call's tensors, in the order of its schema; None for one left out."""

    inputs: Sequence[Shape | None]
    outputs: Sequence[Shape | None]


def cost_of_call(trace: Trace, op: Op, price: Price) -> int:
    """The price of a call; raises ConfigurationError at the line of a price that has no value."""
    run = parse_price(price.formula, price.place)
    call = Call(
        tuple(map(trace.shape, op.inputs)), tuple(trace.shape(tensor) for tensor in op.outputs)
    )
    try:
        cost: int = run(call)
    except LookupError as error:
        fix = "in and out count tensors from 0, and shape counts axes from 0"
        raise _no_value(price, op, str(error), fix) from None
    except (ArithmeticError, ValueError) as error:
        why = "division by zero" if not error.args else str(error)
        raise _no_value(price, op, why, IN_BOUNDS) from None
    if not 0 <= cost < LARGEST:
        raise _no_value(price, op, f"it is {'negative' if cost < 0 else 'too large'}", IN_BOUNDS)
    return cost


@lru_cache
def parse_price(text: str, place: Place) -> Run[Call]:
    """How a price is worked out; raises UsageError at its line for what it may not hold."""
    text = " ".join(text.split())
    if len(text) > LONGEST:
        what = f"the price has more than {LONGEST} letters"
        raise ConfigurationError(what, where=place, help="write a shorter one")
    return _Reader(text, place).read()


def _no_value(price: Price, op: Op, why: str, fix: str) -> ConfigurationError:
    what = f"'{price.formula}' has no value for a call of {op.name}: {why}"
    return ConfigurationError(what, where=price.place, help=fix)


def _power(base: int, exponent: int) -> int:
    if exponent < 0:
        raise ValueError("the exponent is negative")
    if base.bit_length() * exponent > MOST_BITS:
        raise ValueError("it is too large")
    return int(base**exponent)


def _whole_quotient(one: int, other: int) -> int:
    if not other:
        raise ValueError("division by zero")
    return one // other


class _Reader(ArithmeticReader[Call]):
    """A price as it is read."""

    functions: ClassVar[Mapping[str, Callable[..., int]]] = {"min": min, "max": max}
    operations: ClassVar[Mapping[type[ast.operator], Callable[[int, int], int]]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.FloorDiv: _whole_quotient,
        ast.Pow: _power,
    }

    def __init__(self, text: str, place: Place) -> None:
        self._place = place
        super().__init__(text, re.sub(r"\bin\b", _IN, text))

    def mistake(self, what: str, column: int) -> ConfigurationError:
        said = f"'{self.text}': {what}, at column {column}"
        return ConfigurationError(said, where=self._place, help=_HELP)

    def place(self, column: int) -> Place:  # noqa: ARG002 - the message has the column
        return self._place

    def word(self, word: str) -> str:
        return "in" if word == _IN else word

    def number(self, value: float, node: ast.expr) -> Run[Call]:
        if not isinstance(value, int) or value >= LARGEST:
            raise self.mistake(f"{self.source(node)} is not a whole number", self.column(node))
        return lambda _: value

    def named(self, node: ast.expr) -> Run[Call] | None:
        match node:
            case ast.Attribute(value=tensor, attr="numel"):
                shape = self._shape(tensor)
                return lambda call: prod(shape(call))
            case ast.Subscript(value=ast.Attribute(value=tensor, attr="shape"), slice=at):
                shape, axis = self._shape(tensor), self._index(at)
                return lambda call: _length(shape(call), axis)
            case ast.BinOp(op=ast.Div()):
                raise self.mistake("write // for a whole quotient", self.column(node))
            case ast.Attribute(value=tensor, attr="shape"):
                self._shape(tensor)
                raise self.mistake("a shape is not a number: write .shape[0]", self.column(node))
            case ast.Attribute(value=tensor, attr=word):
                self._shape(tensor)
                raise UnknownNameError("property of a tensor", word, PROPERTIES, where=self._place)
            case ast.Subscript():
                self._shape(node)
                raise self.mistake("a tensor is not a number: write .numel", self.column(node))
            case ast.Name(id=word):
                raise self._unknown(word)
        return None

    def _shape(self, node: ast.expr) -> Callable[[Call], Shape]:
        """The shape of ``in[0]`` or ``out[0]``."""
        match node:
            case ast.Subscript(value=ast.Name(id=word), slice=at) if self.word(word) in _SIDES:
                name, index = self.word(word), self._index(at)
                return lambda call: _tensor(_SIDES[name](call), name, index)
            case ast.Subscript(value=ast.Name(id=word)):
                raise self._unknown(word)
        what = f"'{self.source(node)}' is not a tensor: write in[0] or out[0]"
        raise self.mistake(what, self.column(node))

    def _index(self, node: ast.expr) -> int:
        match node:
            case ast.Constant(value=int() as index) if not isinstance(index, bool):
                return index
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as index)):
                return -index
        what = f"'{self.source(node)}' is not an index: write a number"
        raise self.mistake(what, self.column(node))

    def _unknown(self, word: str) -> UnknownNameError:
        return UnknownNameError("tensor", self.word(word), _SIDES, where=self._place)


_SIDES: Mapping[str, Callable[[Call], Sequence[Shape | None]]] = {
    "in": lambda call: call.inputs,
    "out": lambda call: call.outputs,
}


def _tensor(shapes: Sequence[Shape | None], side: str, index: int) -> Shape:
    if not -len(shapes) <= index < len(shapes):
        raise LookupError(f"there is no {side}[{index}], only {len(shapes)} of them")
    shape = shapes[index]
    if shape is None:
        raise LookupError(f"{side}[{index}] is left out")
    return shape


def _length(shape: Shape, axis: int) -> int:
    if not -len(shape) <= axis < len(shape):
        raise LookupError(f"a tensor of {len(shape)} axes has no shape[{axis}]")
    return shape[axis]
