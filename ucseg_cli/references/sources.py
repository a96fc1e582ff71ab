"""Where a model outside the family comes from."""

from __future__ import annotations

from typing import Any, NamedTuple

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


class FromFile(NamedTuple):
    """A class, factory function or module object called *name* in a Python file."""

    path: str
    name: str
    arguments: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


class FromModule(NamedTuple):
    """A class, factory function or module object called *name* in an importable module."""

    module: str
    name: str
    arguments: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


class FromTorchvision(NamedTuple):
    """A network that torchvision lists."""

    name: str
    arguments: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        return f"torchvision:{self.name}"


class FromCheckpoint(NamedTuple):
    """A state dict in a file, at *key* if the file holds several."""

    path: str
    key: str | None = None

    def __str__(self) -> str:
        return self.path


OwnCode = FromFile | FromModule
"""Sources that run a user's own code."""

Source = OwnCode | FromTorchvision | FromCheckpoint
