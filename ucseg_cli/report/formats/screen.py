"""The screen as a value, and fitting words to it; it knows neither rich nor the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from ucseg_cli.report.formats.cells import one_line, plain_ascii

_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=[kMGTPE]?i?B(?!\w))")
_GLUE = "\u00a0"
LEAST_BEGINNING = 4
SENTENCE = 100
"""Columns at which sentences are wrapped in a pipe."""


class Screen(NamedTuple):
    """Where text is to be read.

    Args:
        width: columns of the terminal; None in a pipe, where nothing is shortened.
        colour: whether escape codes are welcome.
        unicode: whether the stream can encode more than ASCII.
        exact: whether counts are written in full, without k, M or G.
    """

    width: int | None = None
    colour: bool = False
    unicode: bool = True
    exact: bool = False

    @property
    def ellipsis(self) -> str:
        """The text in place of the letters left out of a name."""
        return "…" if self.unicode else "..."

    def spell(self, text: str) -> str:
        """*text* as this screen can show it: one line, and in ASCII where it knows no more."""
        line = one_line(text)
        return line if self.unicode else plain_ascii(line)

    def fold(self, text: str, width: int | None = None) -> list[str]:
        """*text* wrapped by words to the screen or a *width*; a number stays with its unit."""
        line = self.spell(text)
        width = max(width or self.width or SENTENCE, 1)
        if display_width(line) <= width:
            return [line]
        is_terminal = self.width is not None  # a pipe takes a long name whole
        lines = wrap(glue_units(line), width, break_on_hyphens=False, break_long_words=is_terminal)
        return [part.replace(_GLUE, " ") for part in lines]

    def flow(self, phrases: Iterable[str], separator: str) -> list[str]:
        """*phrases* joined by *separator*, broken only between phrases where they fit at all."""
        lines: list[str] = []
        for phrase in phrases:
            joined = f"{lines[-1]}{separator}{phrase}" if lines else phrase
            if lines and display_width(self.spell(joined)) <= (self.width or SENTENCE):
                lines[-1] = joined
            else:
                lines.append(phrase)
        return [part for line in lines for part in self.fold(line)]


def glue_units(text: str) -> str:
    """*text* that does not break between a number and its unit."""
    return _NUMBER_AND_UNIT.sub(_GLUE, text)


def display_width(text: str) -> int:
    """Cells of a terminal: two for East Asian wide characters, none for combining marks."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def shorten_middle(text: str, width: int, ellipsis: str) -> str:
    """A path keeps its beginning and its end, where paths differ: ``features…block.0``.

    The last two names stay whole if they fit.
    """
    if display_width(text) <= width:
        return text
    room = width - display_width(ellipsis)
    if room < len("a b"):
        return _beginning(text, width)
    last = display_width(".".join(text.split(".")[-2:])) + 1
    end = last if room - room // 2 < last <= room - LEAST_BEGINNING else room - room // 2
    return _beginning(text, room - end) + ellipsis + _ending(text, end)


def shorten_end(text: str, width: int, ellipsis: str) -> str:
    """Words keep their beginning."""
    if display_width(text) <= width:
        return text
    room = width - display_width(ellipsis)
    return _beginning(text, room).rstrip() + ellipsis if room > 0 else _beginning(text, width)


def _beginning(text: str, width: int) -> str:
    return "".join(_within(text, width))


def _ending(text: str, width: int) -> str:
    return _beginning(text[::-1], width)[::-1]


def _within(text: str, width: int) -> Iterator[str]:
    for character in text:
        width -= _cells(character)
        if width < 0:
            return
        yield character


def _cells(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
