"""Groups of options: a command takes a named tuple, of which Typer sees each field as an option."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, get_type_hints


def with_groups(
    command: Callable[..., int], instead: Mapping[type, type] = MappingProxyType({})
) -> Callable[..., int]:
    """The command as Typer should see it: every named tuple among its parameters spread out.

    *instead* has classes to make in place of those that the command names.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, tuple):
            groups[name] = instead.get(hint, hint)
            parameters += _fields(hint)
        else:
            keyword = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hint, kind=keyword))

    @wraps(command)
    def run(**given: Any) -> int:
        for name, group in groups.items():
            given[name] = group(**{field: given.pop(field) for field in group._fields})
        return command(**given)

    # what inspect.signature reads, and so Typer
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _fields(group: Any) -> list[inspect.Parameter]:
    keyword, required = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    defaults = group._field_defaults
    return [
        inspect.Parameter(name, keyword, default=defaults.get(name, required), annotation=hint)
        for name, hint in get_type_hints(group, include_extras=True).items()
    ]


def summary_of(command: Callable[..., int]) -> Callable[[], None]:
    """The command as the help of ``ucseg`` lists it. Reading the options of all takes longer."""

    def listed() -> None:
        """Nothing: the words that list the commands call none."""

    listed.__doc__ = command.__doc__
    return listed
