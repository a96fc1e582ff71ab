"""Values that code reads besides its arguments: of globals, of attributes of classes.

Two calls on equal arguments do the same only if these are equal, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import getattr_static
from logging import Logger
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple, TypeVar

INERT = (type, BuiltinFunctionType, Logger, TypeVar)
"""Types of globals that are the same at any time."""
ACCESSORS = (FunctionType, classmethod, staticmethod, property)
BEGINS_AT = ("forward", "__call__", "__getattr__", "__getattribute__", "__iter__", "__getitem__")
"""The methods by which a module runs, or by which its children are reached."""
LIBRARIES = frozenset(
    ("torch", "torchvision", "timm", "segmentation_models_pytorch", "einops", "numpy")
) | {"builtins", "collections", "functools", "typing", "abc", "enum"}
OF_PYTHON = "__"
"""Attributes of a class that begin so are not data of a user's."""


class Place(NamedTuple):
    """Where a value is read: *names* of a namespace change, and the namespace remains."""

    names: Mapping[str, Any]
    name: str

    @property
    def value(self) -> Any:
        """The value that is there now."""
        return self.names.get(self.name)


class HiddenReads:
    """The places that code reads; each class and each function is looked at once."""

    def __init__(self) -> None:
        self._places: dict[type | CodeType, tuple[Place, ...]] = {}

    def of_class(self, kind: type) -> tuple[Place, ...]:
        """The places that a module of that class may read while it runs."""
        if kind not in self._places:
            own = [one for one in kind.__mro__ if not _is_of_library(one.__module__)]
            data = [place for one in own for place in _data_of(one)]
            walk = _Walk(kind)
            for name in BEGINS_AT if own else ():
                walk.enter(getattr_static(kind, name, None))
            self._places[kind] = (*data, *walk.found.values())
        return self._places[kind]

    def of_function(self, function: FunctionType) -> tuple[Place, ...]:
        """The places that a function may read, but for its closure."""
        if function.__code__ not in self._places:
            walk = _Walk(object)
            walk.enter(function)
            self._places[function.__code__] = tuple(walk.found.values())
        return self._places[function.__code__]


class _Walk:
    """A way through functions and all that they call; *found* has the data that they read."""

    def __init__(self, kind: type) -> None:
        self.found: dict[tuple[int, str], Place] = {}
        self._kind = kind
        self._seen: set[CodeType] = set()

    def enter(self, value: Any) -> None:
        """Look through a function, or through those that an attribute of a class is made of."""
        for function in _functions_of(value):
            if not _is_of_library(function.__module__) and function.__code__ not in self._seen:
                self._seen.add(function.__code__)
                self._look_through(function)

    def _look_through(self, function: FunctionType) -> None:
        names = set(_names_in(function.__code__))
        for name in names:
            self._note(Place(function.__globals__, name), names)
            self.enter(getattr_static(self._kind, name, None))

    def _note(self, place: Place, names: set[str]) -> None:
        value = place.value
        value = getattr(value, "__wrapped__", value)  # in a cache of its results
        if isinstance(value, FunctionType):
            self.enter(value)
        elif isinstance(value, ModuleType):
            if not _is_of_library(value.__name__):
                for name in names & vars(value).keys():
                    if not isinstance(vars(value)[name], ModuleType):
                        self._note(Place(vars(value), name), names)
        elif place.name in place.names and not isinstance(value, INERT):
            self.found[id(place.names), place.name] = place


def _data_of(kind: type) -> Iterator[Place]:
    for name, value in vars(kind).items():
        if not name.startswith(OF_PYTHON) and not isinstance(value, (*ACCESSORS, *INERT)):
            yield Place(vars(kind), name)


def _functions_of(value: Any) -> Iterator[FunctionType]:
    if isinstance(value, property):
        inside: tuple[Any, ...] = (value.fget, value.fset)
    else:
        inside = (getattr(value, "__func__", value),)
    yield from (one for one in inside if isinstance(one, FunctionType))


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _is_of_library(module: str | None) -> bool:
    """Whether it is of code whose own settings no constructor of a network changes."""
    return (module or "").partition(".")[0] in LIBRARIES
