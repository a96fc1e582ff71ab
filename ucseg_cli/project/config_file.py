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
from ucseg_cli.system.plain_file import is_ours, read_plain_text

ENVIRONMENT = "UCSEG_CONFIG"
OWN_NAME, SHARED_NAME = "ucseg.toml", "pyproject.toml"
DEEPEST = 16
"""Levels below our table; nothing in it has more than four."""
SHARED_TABLE: KeyPath = ("tool", "ucseg")


class Document:
    """A configuration file: *data* is our table, *root* where that table stands in the file."""

    def __init__(
        self, path: Path, text: str, data: Mapping[str, Any], root: KeyPath, at: str = ""
    ) -> None:
        self.path = path
        self.data = data
        self._text = text
        self._root = root
        self._shown = f"{shown(path)}{at}"  # once, since it asks the system where we are

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        try:
            return key_lines(self._text)
        except RecursionError:  # another tool's table may be nested as deep as tomllib reads
            return {}

    def place(self, key: KeyPath) -> Place:
        """Where a key below our table stands: ``pyproject.toml:12  budgets[0].variant``.

        A key without a line of its own is where its table is.
        """
        names = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
        path = (*self._root, *key)
        while path and path not in self._lines:
            path = path[:-1]
        return Place(self._shown, self._lines.get(path, 1), names.removeprefix("."))


def find_document(directory: Path) -> Document | None:
    """The nearest file at or above *directory* that configures it, or the one UCSEG_CONFIG names.

    A ``pyproject.toml`` counts only with ``[tool.ucseg]``. Raises ConfigurationError for a file
    that cannot be read, and for both files in one directory.
    """
    if named := os.environ.get(ENVIRONMENT):
        found = _read(Path(named).absolute(), required=True)
        if found is None:
            raise ConfigurationError(f"{named} has no [tool.ucseg]", where=f"{ENVIRONMENT}={named}")
        return found
    for folder in (directory, *directory.parents):
        own, shared = (_read(folder / name, required=False) for name in (OWN_NAME, SHARED_NAME))
        if own is not None and shared is not None:
            what = f"both {OWN_NAME} and {SHARED_NAME} configure this folder"
            raise ConfigurationError(what, where=shared.place(()), help="keep one of them")
        if own is not None or shared is not None:
            return own or shared
    return None


def refuse_misspelt(directory: Path) -> None:
    """Raise ConfigurationError if the nearest pyproject.toml has a table named almost like ours."""
    paths = (folder / SHARED_NAME for folder in (directory, *directory.parents))
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return
    try:
        text = path.read_text("utf-8")
        tools = parse_toml(path, text).get("tool", {})
    except (OSError, UnicodeDecodeError, ConfigurationError):  # it is not ours to read
        return
    near = nearest_name("ucseg", tools) if isinstance(tools, dict) else None
    if near is not None:
        where = Document(path, text, {}, ("tool", near)).place(())
        what, fix = f"[tool.{near}] configures nothing here", "did you mean [tool.ucseg]?"
        raise ConfigurationError(what, where=where, help=fix)


def _read(path: Path, *, required: bool) -> Document | None:
    """The document; None where no such file is there, or where it is about other tools."""
    here = Place(shown(path))
    try:
        if not required and not os.path.lexists(path):
            return None
        text = "" if path == Path(os.devnull) else read_plain_text(path)
    except OSError as error:
        if path.name == SHARED_NAME and path.is_dir():
            return None
        raise ConfigurationError(f"cannot read it: {error.strerror}", where=here) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("it is not UTF-8", where=here) from error
    if path.name == SHARED_NAME and "ucseg" not in text:
        return None  # another tool reports its own mistakes, and parsing costs
    document = parse_document(path, text)
    if document is not None:
        refuse_foreign(path)
    return document


def parse_document(path: Path, text: str, at: str = "") -> Document | None:
    """The document of a file with this *text*; None if it is about other tools.

    *at* follows the path where it is shown, as for the text of another revision.
    """
    root = SHARED_TABLE if path.name == SHARED_NAME else ()
    data: Any = parse_toml(path, text)
    for name in root:
        data = data.get(name) if isinstance(data, dict) else None
    if data is None:
        return None
    document = Document(path, text, data, root, at)
    if not isinstance(data, dict):
        raise ConfigurationError("[tool.ucseg] is not a table", where=document.place(()))
    _refuse_extremes(document, data, ())
    return document


def refuse_foreign(path: Path) -> None:
    """Raise ConfigurationError for a file of the project that another user owns.

    Whoever names the configuration in UCSEG_CONFIG trusts it and the lock beside it.
    """
    owners = {status.st_uid for status in (path.stat(), path.lstat()) if not is_ours(status)}
    named = os.environ.get(ENVIRONMENT)
    if owners and not (named and Path(named).absolute().parent == path.absolute().parent):
        raise ConfigurationError(
            f"another user owns it (number {owners.pop()}), and it may say what is run",
            where=Place(shown(path)),
            help=f"take it over with chown, or name the configuration in {ENVIRONMENT}",
        )


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """A whole file; raises ConfigurationError with the line if it is not TOML."""
    import tomllib  # only needed if something is configured

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of too many digits
        line = re.search(r"at line (\d+)", str(error))
        where = Place(shown(path), int(line[1]) if line else None)
        raise ConfigurationError(f"it is not TOML: {error}", where=where) from error


def _refuse_extremes(document: Document, value: Any, key: KeyPath) -> None:
    """Refuse numbers and nesting that TOML allows and Python could not even print."""
    if len(key) > DEEPEST:
        raise ConfigurationError("it is nested too deep", where=document.place(key[:1]))
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ConfigurationError("the number is beyond 64 bits", where=document.place(key))
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_extremes(document, inner, (*key, name))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_extremes(document, inner, (*key, index))
