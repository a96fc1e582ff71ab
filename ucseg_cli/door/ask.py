"""A function of Python as a call of its command, with the answer kept instead of printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

from typer import Typer
from typer._click.core import Context, Parameter
from typer.core import TyperCommand
from typer.main import get_command

from ucseg_cli.analysis.subject import Subject
from ucseg_cli.cli.command import Command, Group
from ucseg_cli.cli.command_groups import COMMANDS
from ucseg_cli.cli.option_groups import with_groups
from ucseg_cli.cli.output_options import Output
from ucseg_cli.door.answer import Answer
from ucseg_cli.door.values import as_text
from ucseg_cli.errors import ExitStatus, UcsegError, UsageError
from ucseg_cli.facts.trace import Price
from ucseg_cli.references import InMemory, Reference
from ucseg_cli.report.document import Report
from ucseg_cli.terminal.streams import error_details

NAMES = {"maximum": "max", "minimum": "min"}
"""Parameters of commands that Python calls by another name, which the option has."""
NOT_ASKED = frozenset({*Output._fields, "exit_zero", "variant"})
"""Options that say where an answer goes or how a process ends, or that repeat another."""

MODELS = frozenset({"model", "models", "base", "network"})
"""Options that name models, which may be modules in memory."""

_delivered: ContextVar[list[Report]] = ContextVar("delivered")


class Kept(Output):
    """An answer that goes nowhere: the one who asked gets it."""

    def deliver(
        self, report: Report, subjects: Iterable[Subject] = (), prices: Sequence[Price] = ()
    ) -> None:
        """Keep the report, with the same notes as on a screen."""
        _delivered.get().append(self.noted(report, subjects, prices))


def ask(name: str, **given: Any) -> Answer:
    """The answer of the command of that name, its options *given* as Python values.

    Raises UcsegError, with what, where and how to fix it in its notes.
    """
    command = find_command(name)
    reports: list[Report] = []
    token = _delivered.set(reports)
    try:
        with _explained(), Context(command, info_name=name).scope() as context:
            values = dict(_values(command, context, given))
            status = command.callback(**values) if command.callback else None
    finally:
        _delivered.reset(token)
    return Answer(reports[-1], ok=status == ExitStatus.OK)


@cache
def find_command(name: str) -> TyperCommand:
    """The command of that name, with its options as Typer reads them, that keeps its answer."""
    function = getattr(import_module(f"ucseg_cli.commands.{COMMANDS[name]}.{name}"), name)
    app = Typer(cls=Group)
    app.command(name, cls=Command)(with_groups(function, {Output: Kept}))
    app.callback()(lambda: None)  # else Typer makes the only command the whole
    group: Any = get_command(app)
    command: TyperCommand = group.commands[name]
    return command


def _values(
    command: TyperCommand, context: Context, given: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The value of each option, checked and converted as one that was typed."""
    named = Counter[str]()
    for parameter in command.params:
        key = str(parameter.name)
        value = None if key in NOT_ASKED else given.get(NAMES.get(key, key))
        yield key, _value(parameter, context, value, named)


def _value(parameter: Parameter, context: Context, value: Any, named: Counter[str]) -> Any:
    several = parameter.multiple or parameter.nargs == -1
    models = value if several and isinstance(value, list | tuple) else (value,)
    if parameter.name in MODELS and any(not isinstance(one, str | None) for one in models):
        references = [_as_model(model, named) for model in models]
        return references if several else references[0]
    if value is None or value == ():
        value = parameter.get_default(context)
    text = as_text(NAMES.get(str(parameter.name), str(parameter.name)), value)
    if several and isinstance(text, str):
        text = [text]
    converted = parameter.process_value(context, text)
    context.params[str(parameter.name)] = converted
    return converted


def _as_model(value: Any, named: Counter[str]) -> str | Reference:
    """A reference as it is; a module under the name of its class, with a number if it is taken.

    Raises UsageError for anything that is not a model.
    """
    if isinstance(value, str | Reference):
        return value
    if not callable(getattr(value, "named_modules", None)):
        what = f"{type(value).__name__} is not a model"
        raise UsageError(what, where=repr(value)[:40], help="give a module, or a reference as text")
    kind = type(value).__name__
    named[kind] += 1
    name = kind if named[kind] == 1 else f"{kind} ({named[kind]})"
    return Reference(name, InMemory(name, value))


@contextmanager
def _explained() -> Iterator[None]:
    """While it lasts, an error shows in a traceback all that the command line would say."""
    try:
        yield
    except UcsegError as error:
        for line in error_details(error):
            error.add_note(line)
        raise
