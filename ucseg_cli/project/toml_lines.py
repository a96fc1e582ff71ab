"""The line of each key of a TOML document, which the standard library's reader does not give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

KeyPath = tuple[str | int, ...]
"""Keys and positions from a table on: ``("tool", "ucseg", "budgets", 0, "max")``."""

_PIECE = r"""
    (?P<skip>[ \t\r]+|\#[^\n]*)
    | \"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5}
    | "(?:\\.|[^"\\])*" | '[^']*'
    | [\n\[\]{}=,.]
    | [^\s\[\]{}=,.\#"']+
    """
_END = "\n"
VALUE_ENDS = {"\n", ",", "]", "}"}


class _Token(NamedTuple):
    text: str
    line: int


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key, table and array element of what ``tomllib`` can read."""
    return _Reader(text).read()


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in re.finditer(_PIECE, text, re.DOTALL | re.VERBOSE):
        if match.lastgroup != "skip":
            yield _Token(match[0], line)
        line += match[0].count("\n")
    yield _Token(_END, line)


class _Reader:
    """One pass over the tokens, statement by statement."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._last_element: dict[KeyPath, int] = {}

    def read(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._at < len(self._tokens):
            match self._token.text:
                case "\n":
                    self._at += 1
                case "[":
                    table = self._header()
                case _:
                    self._assignment(table)
        return self._lines

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _skip(self, text: str) -> bool:
        """Go past *text* if it comes next; whether it did."""
        found = self._token.text == text
        self._at += found
        return found

    def _header(self) -> KeyPath:
        self._skip("[")
        is_array = self._skip("[")
        line, path = self._token.line, self._key(())
        self._lines.setdefault(path, line)
        if is_array:
            self._last_element[path] = self._last_element.get(path, -1) + 1
            path = (*path, self._last_element[path])
            self._lines[path] = line
        while self._skip("]"):
            pass
        return path if is_array else self._current(path)

    def _assignment(self, table: KeyPath) -> None:
        line, path = self._token.line, self._key(table)
        self._lines[path] = line
        self._skip("=")
        self._value(path)

    def _key(self, path: KeyPath) -> KeyPath:
        """A dotted key below *path*."""
        path = (*path, _name(self._token.text))
        self._at += 1
        while self._skip("."):
            self._lines.setdefault(path, self._token.line)
            path = (*self._current(path), _name(self._token.text))
            self._at += 1
        return path

    def _current(self, path: KeyPath) -> KeyPath:
        """The table that a name means: of an array of tables, the last one."""
        return (*path, self._last_element[path]) if path in self._last_element else path

    def _value(self, path: KeyPath) -> None:
        if self._skip("["):
            self._array(path)
        elif self._skip("{"):
            self._inline_table(path)
        else:
            # a point or a space may stand inside a number or a date
            while self._token.text not in VALUE_ENDS:
                self._at += 1

    def _array(self, path: KeyPath) -> None:
        index = 0
        while not self._skip("]"):
            if not (self._skip("\n") or self._skip(",")):
                self._lines[*path, index] = self._token.line
                self._value((*path, index))
                index += 1

    def _inline_table(self, path: KeyPath) -> None:
        while not self._skip("}"):
            if not (self._skip("\n") or self._skip(",")):
                self._assignment(path)


def _name(token: str) -> str:
    if token[0] not in "\"'":
        return token
    import tomllib  # for a quoted name alone

    (name,) = tomllib.loads(f"{token} = 0")
    return name
