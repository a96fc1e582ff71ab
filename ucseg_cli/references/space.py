"""A space: a design with a set of values for some axes, each variant known by an index alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

from ucseg_cli.references.designs import Model, arguments_of, is_same_design, revision_of
from ucseg_cli.references.grammar import Reference, split_assignments
from ucseg_cli.references.sources import Argument, Unbuildable
from ucseg_cli.references.variants import Variant
from ucseg_cli.references.variants.axes import BY_NAME
from ucseg_cli.references.variants.axis_values import Value


class VariedAxis(NamedTuple):
    """One axis of a space.

    Args:
        name: as in ``v2+NAME=value``.
        values: in the order given, each once: parsed in the family, texts in any other design.
        base: the value that the base has, as one of *values* would be; None if it is unknown.
    """

    name: str
    values: tuple[Value, ...]
    base: Value = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as a reference writes them."""
        return tuple(map(self.write, self.values))

    @property
    def base_digit(self) -> int | None:
        """The place of the base's value among the values; None if it is not one of them."""
        return self.values.index(self.base) if self.base in self.values else None

    @property
    def changes(self) -> tuple[str, ...]:
        """The text that each value adds to a reference: none for that of the base."""
        pairs = zip(self.values, self.texts, strict=True)
        return tuple("" if value == self.base else f"+{self.name}={text}" for value, text in pairs)

    @property
    def plain(self) -> tuple[Any, ...]:
        """The values as scripts take them: texts as what Python reads in them."""
        return tuple(
            Argument(self.name, value).value if isinstance(value, str) else value
            for value in self.values
        )

    def write(self, value: Value) -> str:
        """A value as a reference writes it."""
        return value if isinstance(value, str) else BY_NAME[self.name].write(value)


class Space(NamedTuple):
    """Every variant with one value of each axis, and all else as in the *base*.

    A variant is an index in mixed radix: its digits are places among the axes' values, and the last
    axis is the fastest. Nothing is stored for a variant. Without axes the base is the only one.
    """

    base: Reference
    axes: tuple[VariedAxis, ...]

    @property
    def size(self) -> int:
        """How many variants there are."""
        return prod(self.radices)

    @property
    def radices(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """How far apart in the order two variants are that differ by one step of an axis."""
        return tuple(prod(self.radices[place + 1 :]) for place in range(len(self.axes)))

    @property
    def base_index(self) -> int | None:
        """The index of the base; None if one of its values is not among those of the axis."""
        digits = [digit for axis in self.axes if (digit := axis.base_digit) is not None]
        return self.index_of(digits) if len(digits) == len(self.axes) else None

    def index_of(self, digits: Sequence[int]) -> int:
        """The index of the variant with these digits."""
        return sum(digit * stride for digit, stride in zip(digits, self.strides, strict=True))

    def digits_at(self, index: int) -> tuple[int, ...]:
        """The place of the variant's value on each axis."""
        digits = []
        for axis in reversed(self.axes):
            index, digit = divmod(index, len(axis.values))
            digits.append(digit)
        return tuple(reversed(digits))

    def values_at(self, index: int) -> tuple[Value, ...]:
        """The variant's value on each axis."""
        digits = self.digits_at(index)
        return tuple(axis.values[digit] for axis, digit in zip(self.axes, digits, strict=True))

    def changed_at(self, index: int) -> tuple[str, ...]:
        """The names of the axes on which the variant is not as the base."""
        pairs = zip(self.axes, self.values_at(index), strict=True)
        return tuple(axis.name for axis, value in pairs if value != axis.base)

    def model_at(self, index: int) -> Model:
        """The variant, with no argument on an axis on which it is as the base."""
        changed = {
            axis.name: value
            for axis, value in zip(self.axes, self.values_at(index), strict=True)
            if value != axis.base
        }
        model = self.base.model
        if isinstance(model, Variant):
            return model._replace(**changed)  # type: ignore[arg-type]
        if isinstance(model, Unbuildable) or not changed:
            return model
        new = {name: Argument(name, str(text)) for name, text in changed.items()}
        return model._replace(arguments=tuple((arguments_of(model) | new).values()))

    def reference_at(self, index: int) -> str:
        """The base's name with the axes changed on which the variant is not as it."""
        return _joined(self._pieces(), self.digits_at(index))

    def references(self) -> Iterator[str]:
        """The reference of every variant, in order."""
        pieces = self._pieces()
        return (_joined(pieces, digits) for digits in self.all_digits())

    def all_digits(self) -> Iterator[tuple[int, ...]]:
        """The digits of every variant, in order."""
        return product(*map(range, self.radices))

    def find(self, model: Model) -> int | None:
        """The index of a model, however it was spelled; None if it is not one of the variants."""
        base = self.base.model
        if not is_same_design(base, model) or revision_of(base) != revision_of(model):
            return None
        given, known = _settings(model), _settings(base)
        digits = []
        for axis in self.axes:
            values = list(map(setting, axis.values))
            value = given.pop(axis.name, setting(axis.base))
            known.pop(axis.name, None)
            if value not in values:
                return None
            digits.append(values.index(value))
        return self.index_of(digits) if given == known else None

    def _pieces(self) -> list[_Piece]:
        """The pieces of which references are made, in order."""
        head, *assignments = split_assignments(self.base.name)
        given = dict(assignment.split("=", 1) for assignment in assignments)
        places = {axis.name: place for place, axis in enumerate(self.axes)}
        pieces = [_Piece(None, (head,))]
        for name, text in given.items():
            texts = self.axes[places[name]].texts if name in places else (text,)
            pieces.append(_Piece(places.get(name), tuple(f"+{name}={text}" for text in texts)))
        for place, axis in enumerate(self.axes):
            if axis.name not in given:
                pieces.append(_Piece(place, axis.changes))
        return pieces


def _settings(model: Model) -> dict[str, object]:
    """The settings of a model, such that two spellings of one value are equal."""
    if isinstance(model, Variant):
        return {axis.name: setting(value) for axis, value in model.values}
    return {name: setting(argument.text) for name, argument in arguments_of(model).items()}


def setting(value: Value) -> object:
    """A value of an axis: a text as Python reads it, so that ``1.0`` and ``1.00`` are equal.

    Types are kept apart, since True equals 1, but for lists and tuples: a trace has both as one.
    """
    return _as_python_reads(value) if isinstance(value, str) else value


@lru_cache(maxsize=1 << 16)
def _as_python_reads(text: str) -> str:
    return repr(_with_tuples(Argument("", text).value))


def _with_tuples(value: Any) -> Any:
    return tuple(map(_with_tuples, value)) if isinstance(value, list | tuple) else value


class _Piece(NamedTuple):
    """A part of every reference: one of *texts*, by the digit at *place*, else always the first."""

    place: int | None
    texts: tuple[str, ...]


def _joined(pieces: Sequence[_Piece], digits: Sequence[int]) -> str:
    return "".join(texts[0 if place is None else digits[place]] for place, texts in pieces)
