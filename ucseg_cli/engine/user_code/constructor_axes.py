"""The axes of a user's design: the arguments of its constructor, and how their values are typed."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import partial
from math import isfinite
from typing import Any, Literal, Union, get_args, get_origin

from ucseg_cli.engine.user_code.arguments import BY_NAME, Parameters
from ucseg_cli.errors import UnknownNameError
from ucseg_cli.facts.trace import REQUIRED, ConstructorAxis

LONGEST_VALUE = 400
"""Letters of a value that is still shown whole."""
_NONE = type(None)
_MODULES = re.compile(r"\b(?:[^\W\d]\w*\.)+(?=[^\W\d])")
"""The modules before the name of a class."""


def constructor_axes(
    parameters: Parameters, arguments: Mapping[str, Any]
) -> tuple[ConstructorAxis, ...]:
    """Each parameter that has a name, with its value in force; what ``**kwargs`` takes last."""
    named = {name: p for name, p in parameters.items() if p.kind in BY_NAME}
    return (
        *(_axis(parameter, arguments) for parameter in named.values()),
        *(
            ConstructorAxis(name, plain_value(value), "")
            for name, value in arguments.items()
            if name not in named
        ),
    )


def as_annotated(parameters: Parameters, name: str, value: Any, where: str) -> Any:
    """A value as it was typed, as the member of an enumeration that it names.

    Raises UnknownNameError for a value that a ``Literal`` or an enumeration leaves out.
    """
    parameter = parameters.get(name)
    if parameter is None:
        return value
    closed = _closed_values(parameter.annotation)
    if closed is None or any(value == known and type(value) is type(known) for known in closed):
        return value
    for known in closed:
        if str(value) in _spellings(known):
            return known
    raise UnknownNameError(f"value of {name}", str(value), _choices(closed), where=where)


def plain_value(value: Any) -> Any:
    """A text, a number, a bool, None or a tuple of these; anything else by a name in one line."""
    plain = _plain(value)
    written = json.dumps(plain, default=str)
    if len(written) <= LONGEST_VALUE:
        return plain
    return f"{type(value).__name__} of {len(written):,} letters"


def _axis(parameter: inspect.Parameter, arguments: Mapping[str, Any]) -> ConstructorAxis:
    has_default = parameter.default is not inspect.Parameter.empty
    default = plain_value(parameter.default) if has_default else REQUIRED
    given = parameter.name in arguments
    closed = _closed_values(parameter.annotation)
    return ConstructorAxis(
        parameter.name,
        plain_value(arguments[parameter.name]) if given else default,
        default,
        _annotation(parameter.annotation),
        _choices(closed) if closed else (),
    )


def _plain(value: Any) -> Any:
    if type(value) in {str, int, bool, _NONE} or (type(value) is float and isfinite(value)):
        return value
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    if isinstance(value, Enum):
        return value.name
    return _named(value)


def _named(value: Any) -> str:
    """A class or function by its name, anything else by the first line of its repr."""
    if isinstance(value, type) or inspect.isroutine(value):
        return value.__qualname__
    if isinstance(value, partial):
        return f"partial({_named(value.func)})"
    try:
        written = repr(value)
    except Exception:  # noqa: BLE001 - the repr of a user's own class may fail
        written = ""
    is_address = not written or " at 0x" in written
    return type(value).__name__ if is_address else written.splitlines()[0]


def _closed_values(annotation: Any) -> list[Any] | None:
    """All values that an annotation admits; None if there is no end of them."""
    if annotation is bool:
        return [False, True]
    if annotation is None or annotation is _NONE:
        return [None]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return list(annotation)
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in {Union, types.UnionType}:
        parts = [_closed_values(part) for part in get_args(annotation)]
        if all(part is not None for part in parts):
            return [value for part in parts for value in part or ()]
    return None


def _choices(closed: list[Any]) -> tuple[str, ...]:
    return tuple(next(_spellings(value)) for value in closed)


def _spellings(value: Any) -> Iterator[str]:
    """The ways in which a closed value may be typed, the first one best."""
    if isinstance(value, Enum):
        yield value.name
        yield str(value.value)
    else:
        yield str(value)


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__qualname__
    return _MODULES.sub("", str(annotation)).replace("NoneType", "None")
