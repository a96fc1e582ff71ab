"""The file that configures a directory, and where in it each key stands."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ucseg_cli.errors import ConfigurationError, Place, nearest_name
from ucseg_cli.project.toml_lines import KeyPath, key_lines
from ucseg_cli.system.paths import shown

ENVIRONMENT = "UCSEG_CONFIG"
OWN_NAME, SHARED_NAME = "ucseg.toml", "pyproject.toml"
DEEPEST = 16
"""Levels below our table; nothing in it has more than four."""
SHARED_TABLE: KeyPath = ("tool", "ucseg")


class Document:
    """A configuration file: *data* is its table of ours, *root* where that table stands in the file."""

    def __init__(self, path: Path, text: str, data: Mapping[str, Any], root: KeyPath) -> None:
        self.path = path
        self.data = data
        self._text = text
        self._root = root

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        try:
            return key_lines(self._text)
        except (
            RecursionError
        ):  # somebody else's table may be nested as deep as the standard library reads
            return {}

    @property
    def shown_path(self) -> str:
        """The path as the person would write it from where they are."""
        return shown(self.path)

    def line(self, key: KeyPath) -> int:
        """The line of a key, given below our table; that of what holds it where it has none."""
        place = (*self._root, *key)
        return next(
            (
                self._lines[place[:end]]
                for end in range(len(place), 0, -1)
                if place[:end] in self._lines
            ),
            1,
        )

    def place(self, key: KeyPath) -> Place:
        """Where a key stands: ``pyproject.toml:12  budgets[0].variant``."""
        return Place(self.shown_path, self.line(key), _dotted(key))


def find_document(directory: Path) -> Document | None:
    """The nearest file at or above *directory* that configures it, or the one that the environment names.

    A ``pyproject.toml`` counts only where it has ``[tool.ucseg]``. Raises ConfigurationError for one that cannot be read,
    and where both are in one directory.
    """
    if named := os.environ.get(ENVIRONMENT):
        found = _read(Path(named).absolute(), required=True)
        if found is None:
            raise ConfigurationError(f"{named} has no [tool.ucseg]", where=f"{ENVIRONMENT}={named}")
        return found
    for at in (directory, *directory.parents):
        own, shared = (_read(at / name, required=False) for name in (OWN_NAME, SHARED_NAME))
        if own is not None and shared is not None:
            raise ConfigurationError(
                f"both {OWN_NAME} and {SHARED_NAME} configure this folder",
                where=shared.place(()),
                help="keep one of them",
            )
        if own is not None or shared is not None:
            return own or shared
    return None


def refuse_misspelt(directory: Path) -> None:
    """Raise ConfigurationError where nothing is configured, and the nearest pyproject.toml has a table named almost so."""
    path = next(
        (
            at / SHARED_NAME
            for at in (directory, *directory.parents)
            if (at / SHARED_NAME).is_file()
        ),
        None,
    )
    if path is None:
        return
    try:
        text = path.read_text("utf-8")
        tools = _parse(path, text).get("tool", {})
    except (OSError, UnicodeDecodeError, ConfigurationError):  # it is not ours to read
        return
    near = nearest_name("ucseg", tools) if isinstance(tools, dict) else None
    if near is not None:
        document = Document(path, text, {}, ("tool", near))
        raise ConfigurationError(
            f"[tool.{near}] configures nothing here",
            where=document.place(()),
            help="did you mean [tool.ucseg]?",
        )


def _read(path: Path, *, required: bool) -> Document | None:
    try:
        if not required and not path.is_file():
            return None
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"cannot read it: {error.strerror}", where=Place(shown(path))
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("it is not UTF-8", where=Place(shown(path))) from error
    root = () if path.name != SHARED_NAME else SHARED_TABLE
    if (
        root and "ucseg" not in text
    ):  # somebody else's mistakes are theirs to tell, and reading costs
        return None
    data: Any = _parse(path, text)
    for name in root:
        data = data.get(name) if isinstance(data, dict) else None
    if data is None:
        return None
    document = Document(path, text, data, root)
    if not isinstance(data, dict):
        raise ConfigurationError("[tool.ucseg] is not a table", where=document.place(()))
    _refuse_extremes(document, data, ())
    return document


def _parse(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # where nothing is configured, nothing has to be read

    try:
        return tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of too many digits is a plain ValueError
        line = re.search(r"at line (\d+)", str(error))
        place = Place(shown(path), int(line[1]) if line else None)
        raise ConfigurationError(f"it is not TOML: {error}", where=place) from error


def _refuse_extremes(document: Document, value: Any, at: KeyPath) -> None:
    """Refuse what TOML's own bounds leave out, and Python could not even print: huge numbers, and nesting without end."""
    if len(at) > DEEPEST:
        raise ConfigurationError("it is nested too deep", where=document.place(at[:1]))
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ConfigurationError("the number is beyond 64 bits", where=document.place(at))
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in inner:
        _refuse_extremes(document, each, (*at, key))


def _dotted(key: KeyPath) -> str:
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in key
    ).removeprefix(".")
