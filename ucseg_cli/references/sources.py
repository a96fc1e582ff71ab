"""Where a model outside the family comes from."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

ASSIGNS = re.compile(r"\+[^\W\d]\w*=")
"""The beginning of an argument in a reference: ``+width=``."""
WORDS = {"true": True, "false": False, "none": None}
"""Other spellings of Python's own words; as text, ``pretrained=false`` would be true."""


class Argument(NamedTuple):
    """A keyword argument as it was typed."""

    name: str
    text: str

    @property
    def value(self) -> Any:
        """A Python literal, or ``true``, ``false``, ``none`` in any case; else the text itself."""
        if self.text.lower() in WORDS:
            return WORDS[self.text.lower()]
        from ast import literal_eval  # an answer out of the cache has no use for it

        try:
            return literal_eval(self.text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return self.text

    def __str__(self) -> str:
        return f"+{self.name}={self.text}"

    @classmethod
    def of(cls, name: str, value: Any) -> Argument:
        """The argument whose value this is; the value is a literal.

        A text is in quotes if without them it is read as something else.
        """
        plain = cls(name, value) if isinstance(value, str) and not ASSIGNS.search(value) else None
        return plain if plain and plain.value == value else cls(name, repr(value))


class FromFile(NamedTuple):
    """A class, factory function or module object called *name* in a Python file.

    With a *revision* it is the file as a commit of the repository around it has it.
    """

    path: str
    name: str
    arguments: tuple[Argument, ...] = ()
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.name}{at_revision(self.revision)}"


class FromModule(NamedTuple):
    """A class, factory function or module object called *name* in an importable module.

    With a *revision* it is the module as a commit of the repository around us has it.
    """

    module: str
    name: str
    arguments: tuple[Argument, ...] = ()
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.module}:{self.name}{at_revision(self.revision)}"


class FromLibrary(NamedTuple):
    """A network that one of ``libraries.LIBRARIES`` lists."""

    library: str
    name: str
    arguments: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        return f"{self.library}:{self.name}"


class FromCheckpoint(NamedTuple):
    """A state dict in a file, at *key* if the file holds several."""

    path: str
    key: str | None = None

    def __str__(self) -> str:
        return self.path


class InMemory:
    """A module that is in this process already, called *name*; each is only equal to itself."""

    __slots__ = ("module", "name")

    def __init__(self, name: str, module: Any) -> None:
        self.name, self.module = name, module

    def __str__(self) -> str:
        return self.name


OwnCode = FromFile | FromModule
"""Sources that run a user's own code."""

Buildable = OwnCode | FromLibrary
"""Sources that are called with arguments."""

Unbuildable = FromCheckpoint | InMemory
"""Sources that are there already, and have no axes."""

Source = Buildable | Unbuildable


def call_text(command: str, name: str, model: object) -> str:
    """The call of a command on a model, as a user writes it in a shell, or in Python.

    A name of a module in memory means nothing to a shell.
    """
    in_python = f"ucseg.{command}(model)"
    return f"`{in_python if isinstance(model, InMemory) else f'ucseg {command} {name}'}`"


def at_revision(revision: str | None) -> str:
    """The end of a source's name."""
    return f"@{revision}" if revision else ""
