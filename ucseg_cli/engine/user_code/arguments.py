"""The arguments of a user's class or factory, and those that it cannot be called with."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.references import OwnCode

Parameters = Mapping[str, inspect.Parameter]

BY_NAME = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_BY_POSITION = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}


def parameters_of(found: Any) -> Parameters:
    """Its parameters, annotations resolved where they can be; any if its signature is unknown."""
    try:
        parameters = inspect.signature(found).parameters
    except (ValueError, TypeError):  # written in C
        return {"arguments": inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)}
    try:
        hints = get_type_hints(found.__init__ if inspect.isclass(found) else found)
    except Exception:  # noqa: BLE001 - an annotation may be any text
        hints = {}
    return {
        name: parameter.replace(annotation=hints.get(name, parameter.annotation))
        for name, parameter in parameters.items()
    }


def refuse_arguments(parameters: Parameters, arguments: Mapping[str, Any], source: OwnCode) -> None:
    """Raise UsageError for arguments that it does not take, or that it needs and was not given."""
    named = {name: p for name, p in parameters.items() if p.kind in BY_NAME}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    _refuse_positions(parameters, () if takes_any else arguments, source)
    for name in [name for name in arguments if name not in named and not takes_any]:
        where = f"{source}+{name}=…"
        if not named:
            raise UsageError(
                f"{source.name} takes no arguments", where=where, help=f"write {source}"
            )
        raise UnknownNameError(f"argument of {source.name}", name, named, where=where)
    missing = [name for name, p in named.items() if _is_required(p) and name not in arguments]
    if missing:
        raise UsageError(
            f"{source.name} needs {', '.join(missing)}",
            where=str(source),
            notes=(_signature(parameters, source),),
            help=f"write {source}{''.join(f'+{name}=VALUE' for name in missing)}",
        )


def _refuse_positions(parameters: Parameters, given: Iterable[str], source: OwnCode) -> None:
    """Raise UsageError for a value without a name that is needed, or that was *given* by one."""
    by_position = {name: p for name, p in parameters.items() if p.kind in _BY_POSITION}
    required = [name for name, p in by_position.items() if _is_required(p)]
    refused = list(dict.fromkeys((*(name for name in given if name in by_position), *required)))
    if refused:
        names = ", ".join(refused)
        raise UsageError(
            f"{source.name} takes {names} by position only, and +NAME=VALUE passes a name",
            where=str(source),
            notes=(_signature(parameters, source),),
            help=f"write a function that returns {source.name}(…), and name that function",
        )


def _is_required(parameter: inspect.Parameter) -> bool:
    """Whether a call without it fails."""
    has_default = parameter.default is not inspect.Parameter.empty
    return not has_default and parameter.kind in {*BY_NAME, inspect.Parameter.POSITIONAL_ONLY}


def _signature(parameters: Parameters, source: OwnCode) -> str:
    return f"it is {source.name}{inspect.Signature(list(parameters.values()))}"
