"""A table of the configuration, read key by key; mistakes are collected and reported together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ucseg_cli.errors import ConfigurationError, Place, UcsegError, UnknownNameError
from ucseg_cli.project.config_file import Document
from ucseg_cli.project.toml_lines import KeyPath

LONGEST = 40
Value = TypeVar("Value")
Default = TypeVar("Default")
Read = Callable[[Any, Place], Value]
"""From a raw value, and where it stands, to its meaning. Raises UcsegError at that place."""


class Section:
    """One table. *mistakes* is shared by all tables of a document."""

    def __init__(
        self, document: Document, data: Mapping[str, Any], key: KeyPath, mistakes: list[UcsegError]
    ) -> None:
        self.document = document
        self._key = key
        self._data = data
        self._mistakes = mistakes

    def place(self, *key: str | int) -> Place:
        """Where a key of this table stands."""
        return self.document.place((*self._key, *key))

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def names(self) -> list[str]:
        """Every key of the table."""
        return list(self._data)

    def raw(self, key: str) -> Any:
        """A value as TOML has it; None if it is absent."""
        return self._data.get(key)

    def read(self, key: str, read: Read[Value], default: Default) -> Value | Default:
        """The value of *key*; *default* if it is absent or mistaken."""
        if key not in self._data:
            return default
        try:
            return read(self._data[key], self.place(key))
        except UcsegError as error:
            self._mistakes.append(error)
            return default

    def read_each(
        self, key: str, read: Read[Value], default: tuple[Value, ...]
    ) -> tuple[Value, ...]:
        """The value of each element of *key*, or of *key* itself; each once, no mistaken ones."""
        value = self._data.get(key)
        if not isinstance(value, list):
            one = self.read(key, read, None)
            return default if one is None else (one,)
        if not value:
            self.mistaken("it is empty", key)
        found = []
        for index, element in enumerate(value):
            try:
                found.append(read(element, self.place(key, index)))
            except UcsegError as error:
                self._mistakes.append(error)
        return tuple(dict.fromkeys(found)) or default

    def mistaken(self, what: str, *key: str | int, help: str | None = None) -> None:  # noqa: A002
        """Note a mistake that is not in one value; *help* is the word on the screen."""
        self._mistakes.append(ConfigurationError(what, where=self.place(*key), help=help))

    def only(self, known: Iterable[str]) -> None:
        """Note every key that is not *known*."""
        known = tuple(known)
        for key in self._data:
            if key not in known:
                self._mistakes.append(UnknownNameError("key", key, known, where=self.place(key)))

    def table(self, key: str) -> Section:
        """The table under *key*; an empty one if it is absent or not a table."""
        data: dict[str, Any] = self.read(key, read_table, {})
        return Section(self.document, data, (*self._key, key), self._mistakes)

    def tables(self, key: str) -> Iterator[Section]:
        """The tables of an array of tables."""
        array: list[Any] = self.read(key, read_array, [])
        for index, data in enumerate(array):
            if isinstance(data, dict):
                yield Section(self.document, data, (*self._key, key, index), self._mistakes)
            else:
                fix = f"write [[{key}]] above its keys"
                self.mistaken(f"{spell(data)} is not a table", key, index, help=fix)


def read_table(value: Any, where: Place) -> dict[str, Any]:
    """A table as a dictionary."""
    return _expect(value, dict, "a table", where)


def read_array(value: Any, where: Place) -> list[Any]:
    """An array as a list."""
    return _expect(value, list, "an array", where)


def read_text(value: Any, where: Place) -> str:
    """A string that is not blank."""
    text = _expect(value, str, "text", where).strip()
    if not text:
        raise ConfigurationError("it is empty", where=where)
    return text


def read_known(noun: str, known: Iterable[str], value: Any, where: Place) -> str:
    """One of the *known* names."""
    name, known = read_text(value, where), tuple(known)
    if name not in known:
        raise UnknownNameError(noun, name, known, where=where)
    return name


def spell(value: Any) -> str:
    """A value as TOML would have it, in a few words."""
    text = f"'{value}'" if isinstance(value, str) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _expect(value: Any, kind: type[Value], noun: str, where: Place) -> Value:
    if not isinstance(value, kind):
        raise ConfigurationError(f"{spell(value)} is not {noun}", where=where)
    return value
