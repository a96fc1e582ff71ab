"""The grammar of the values of an axis that is varied.

    vary    := AXIS "=" values
    values  := "*" | value ( "," value )* | value ( "|" value )*
    value   := RANGE | a value as a reference has it
    RANGE   := FIRST ".." LAST ( "/" STEP )?

With ``|`` between them values may hold commas, as in ``rates=6,12|6,12,18``; on an axis whose
values always may, a comma belongs to its value, unless each has brackets of its own, as in
``(1,2),(1,)``. Neither sign separates within brackets, or within a value in quotes. ``*`` is every
value of an axis that has but a few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.references.sources import Argument
from ucseg_cli.references.space import VariedAxis, setting
from ucseg_cli.references.variants import AXES, Axis, Variant
from ucseg_cli.references.variants.axis_values import Choice, Integers, Several, Value

MOST_VALUES = 200_000
"""No axis has more values."""
_NUMBER = r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:/({_NUMBER}))?")
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "\"'"
_BEFORE_A_VALUE = ("", ",", "|")
_SEQUENCES = (tuple, list)


class OpenAxis(NamedTuple):
    """An axis that may be varied.

    Args:
        name: as in ``--vary NAME=VALUES``.
        base: its value in the base as a reference writes it; None if it is unknown.
        holds_commas: whether commas belong to its values.
        closed: all of its values, where there is an end of them.
        family: the axis of the family that it is; None of any other design.
    """

    name: str
    base: str | None = None
    holds_commas: bool = False
    closed: tuple[str, ...] = ()
    family: Axis | None = None

    def read(self, text: str, where: Where) -> Value:
        """A value: parsed in the family, else its text as a reference writes it."""
        if self.family is not None:
            return self.family.read(text, where=where)
        is_word = Argument(self.name, text).value == text
        return Argument.of(self.name, text).text if is_word else text

    @property
    def is_nested(self) -> bool:
        """Whether its values are sequences of sequences."""
        value = Argument(self.name, self.base or "").value
        return type(value) in _SEQUENCES and any(type(one) in _SEQUENCES for one in value)

    def vary(self, texts: Sequence[str], where: Where) -> VariedAxis:
        """The axis with these values, each once, however often and in whatever way it is spelled.

        Raises UsageError for a text that is not a value.
        """
        values: dict[object, Value] = {}
        for text in texts:
            value = self.read(text, where)
            values.setdefault(setting(value), value)
        base = None if self.base is None else self.read(self.base, where)
        return VariedAxis(self.name, tuple(values.values()), values.get(setting(base), base))


def family_axes(variant: Variant) -> dict[str, OpenAxis]:
    """The axes of the family, with their values in a variant."""
    return {axis.name: _family_axis(axis, getattr(variant, axis.name)) for axis in AXES}


def split_vary(text: str, where: Where = None) -> tuple[str, str]:
    """``backbone=9..11`` as the name of an axis and its values; raises UsageError."""
    name, equals, values = text.partition("=")
    if not equals or not name.strip():
        what = f"'{text}' does not say which values"
        help_line = "write AXIS=VALUES, as in backbone=9..11, conv=* or rates=6,12|6,12,18"
        raise UsageError(what, where=where or f"--vary {text}", help=help_line)
    return name.strip(), values.strip()


def find_axis(name: str, axes: dict[str, OpenAxis], where: Where) -> OpenAxis:
    """The axis of that name; raises UnknownNameError with the nearest one."""
    if name not in axes:
        raise UnknownNameError("axis", name, axes, where=where)
    return axes[name]


def parse_values(text: str, axis: OpenAxis, where: Where) -> list[str]:
    """The values of an axis as texts, ranges spread out; raises UsageError."""
    if text == "*":
        if not axis.closed:
            what = f"'*' is every choice, and {axis.name} has no list of choices"
            raise UsageError(what, where=where, help=_example(axis))
        return list(axis.closed)
    values = [part.strip() for part in _separate(text, axis)]
    if "" in values:
        what = f"'{text}' has an empty value" if text else f"{axis.name} has no values"
        raise UsageError(what, where=where, help=_example(axis))
    found: list[str] = []
    for value in values:
        numbers = list(_spread(value, where))
        if len(numbers) > 1:
            _refuse_ends(numbers, value, axis, where)
        found += numbers
        _refuse_too_many(len(found), text, where)
    return found


def _separate(text: str, axis: OpenAxis) -> list[str]:
    alternatives = _split_outside(text, "|")
    if alternatives[1:]:
        return alternatives
    parts = _split_outside(text, ",")
    in_brackets = all(part.strip().startswith(tuple(_OPENING)) for part in parts)
    is_one = axis.holds_commas and (axis.is_nested or not in_brackets)
    return [text] if is_one else parts


def _split_outside(text: str, separator: str) -> list[str]:
    """A text split where a separator is outside of any brackets, and of a part in quotes."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in _QUOTES and parts[-1].rstrip()[-1:] in _BEFORE_A_VALUE:
            quote = sign
        else:
            depth += (sign in _OPENING) - (sign in _CLOSING)
        if sign == separator and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _family_axis(axis: Axis, value: Value) -> OpenAxis:
    options = axis.parse.options if isinstance(axis.parse, Choice) else ()
    is_several = isinstance(axis.parse, Several)
    return OpenAxis(axis.name, axis.write(value), is_several, tuple(map(str, options)), axis)


def _spread(text: str, where: Where) -> Iterator[str]:
    """The numbers of a range, or the text itself."""
    match = _RANGE.fullmatch(text)
    if match is None:
        yield text
        return
    first, last, step = (Decimal(number or "1") for number in match.groups())
    if match[3] is None and not all(map(_is_whole, (first, last))):
        fix = f"write {text}/STEP, as in 0..0.5/0.1"
        raise UsageError(f"the range '{text}' needs a step", where=where, help=fix)
    if step <= 0 or last < first:
        what = f"the range '{text}' has no values"
        turned = f"write {match[2]}..{match[1]}: values are in the order of the numbers"
        fix = turned if last < first else "write FIRST..LAST/STEP, as in 32..96/16"
        raise UsageError(what, where=where, help=fix)
    count = int((last - first) // step) + 1
    _refuse_too_many(count, text, where)
    yield from (f"{first + place * step:f}" for place in range(count))


def _refuse_ends(numbers: Sequence[str], text: str, axis: OpenAxis, where: Where) -> None:
    """Raise UsageError for a range that begins or ends outside of what the axis accepts."""
    for number, end in ((numbers[0], "begins"), (numbers[-1], "ends")):
        try:
            axis.read(number, where)
        except UsageError as error:
            what = f"the range '{text}' {end} at {number}, which is not a value of {axis.name}"
            fix = _within(text, axis) or error.help
            raise UsageError(what, where=where, notes=error.notes, help=fix) from None


def _within(text: str, axis: OpenAxis) -> str | None:
    """As much of a range as the axis accepts, where that is more than nothing."""
    match, kind = _RANGE.fullmatch(text), axis.family and axis.family.parse
    integers = kind.one if isinstance(kind, Several) else kind
    if match is None or not isinstance(integers, Integers) or match[3]:
        return None
    first, last = max(integers.low, int(match[1])), min(integers.high, int(match[2]))
    return f"write {axis.name}={first}..{last}" if first < last else None


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _refuse_too_many(count: int, text: str, where: Where) -> None:
    if count > MOST_VALUES:
        what = f"'{text[:24]}' has more than {MOST_VALUES:,} values"
        raise UsageError(what, where=where, help="write a larger step, as in 32..96/16")


def _example(axis: OpenAxis) -> str:
    base = axis.base or ""
    if base.isdecimal() and not axis.closed:
        last = int(base) + 2
        return f"write a range as {axis.name}={base}..{last}, or values with commas between"
    if axis.holds_commas:
        return f"write alternatives with | between, as in {axis.name}={axis.base or '6,12'}|6,12,18"
    return f"write values with commas between, as in {axis.name}=A,B"
