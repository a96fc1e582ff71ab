"""The arguments of a library's networks, and refusing those that they do not take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from inspect import Parameter, isclass, isfunction, signature
from itertools import chain
from types import ModuleType
from typing import Any

import torch

from ucseg_cli.errors import UnknownNameError, UsageError

Parameters = Mapping[str, Parameter]


def parameters_behind(builder: Callable[..., Any], classes: Sequence[type]) -> Parameters:
    """The named parameters of a builder and, behind ``**kwargs``, of the class that it calls.

    *classes* are the class and its bases. The builder gives what a class needs.
    """
    found: dict[str, Parameter] = {}
    functions: list[Callable[..., Any]] = [builder, *classes]
    for function in functions:
        parameters = signature(function).parameters.values()
        own = {p.name: p for p in parameters if p.kind is not Parameter.VAR_KEYWORD}
        for key, parameter in own.items():
            if function is builder or parameter.default is not Parameter.empty:
                found.setdefault(key, parameter)
        if len(own) == len(parameters):
            break
    return {**{key: found[key] for key in signature(builder).parameters if key in found}, **found}


class _CalledError(Exception):
    """A class was called, and need not be built."""


def with_values(parameters: Parameters, kind: type, build: Callable[[], Any]) -> Parameters:
    """The parameters with the values that *build* calls its class with, as their defaults.

    A builder of a network's own size calls a class that has the defaults of another. Nothing is
    built: it ends where the class is called. Where it does not come that far, all stays.
    """
    called: Any = kind
    original = called.__init__
    found: dict[str, Any] = {}

    def note(*args: Any, **kwargs: Any) -> None:
        bound = signature(original).bind(*args, **kwargs)
        found.update(bound.arguments)
        for parameter in bound.signature.parameters.values():
            if parameter.kind is Parameter.VAR_KEYWORD:
                found.update(found.pop(parameter.name, {}))
        raise _CalledError

    called.__init__ = note
    try:
        # That error is ours, or of a builder that needs more than defaults.
        with torch.device("meta"), suppress(Exception):
            build()
    finally:
        called.__init__ = original
    return {
        key: parameter.replace(default=found.get(key, parameter.default))
        for key, parameter in parameters.items()
    }


def classes_of(builder: Callable[..., Any]) -> list[type]:
    """The class of a builder's networks, and those of its bases that the same package defines."""
    package = builder.__module__.partition(".")[0]
    bases = signature(builder).return_annotation.__mro__
    return [base for base in bases if base.__module__.startswith(f"{package}.")]


def parameters_around(functions: Iterable[Callable[..., Any]]) -> set[str]:
    """The parameters of all functions and classes in the modules of some, which they may call.

    Any other argument behind ``**kwargs`` some builders would silently ignore.
    """
    homes = {sys.modules[function.__module__] for function in functions}
    return {*chain.from_iterable(signature(one).parameters for one in _defined_in(homes))}


def _defined_in(modules: Iterable[ModuleType]) -> list[Callable[..., Any]]:
    values = chain.from_iterable(vars(module).values() for module in modules)
    return [value for value in values if isfunction(value) or _has_signature(value)]


def _has_signature(value: Any) -> bool:
    """Whether it is a class whose constructor is written in Python."""
    return isclass(value) and isfunction(getattr(value, "__init__", None))


def refuse_unknown(
    arguments: Iterable[str], known: Iterable[str], others: Iterable[str], where: str
) -> None:
    """Raise UnknownNameError for an argument that is neither among *known* nor among *others*."""
    known = tuple(known)
    for name in arguments:
        if name not in {*known, *others}:
            raise UnknownNameError("parameter", name, known, where=where)


def refuse_weights(arguments: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    """Raise UsageError where one of the arguments *names* asks for weights."""
    for name in names:
        if value := arguments.get(name):
            raise UsageError(
                "no weights are loaded, since no count depends on their values",
                where=f"{where}+{name}={value}",
                help=f"leave out +{name}={value}",
            )
