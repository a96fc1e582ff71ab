"""Markers in a document: comments around a figure that say which model's it is.

    <!-- ucseg: REFERENCE METRIC[@SIZE|@INPUT] -->FIGURE<!-- /ucseg -->

Markdown shows fenced blocks and what is between backticks as they are, so a marker in one is an
example. Both are found as CommonMark has it, as far as that goes without parsing lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    # a fence, perhaps in a quotation or a list; after backticks the line has no other backtick
    r"(?:\A\ufeff?|(?<=[\r\n]))[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)*"
    r"(?P<fence>`{3,}(?=[^`\r\n]*(?:[\r\n]|\Z))|~{3,})"
    r"|(?P<escaped>\\[\\`<])|(?P<ticks>`+)|(?P<comment><!--)"
)
_END_OF_PARAGRAPH = re.compile(r"(?:\r\n?|\n)[ \t>]*(?:[\r\n]|`{3}|~{3})")
_MARKER = re.compile(r"\s*(?P<end>/\s*)?ucseg(?![\w.-])(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(r"\s*ucseg:(?P<said>.*)", re.DOTALL)
_CLOSING = re.compile(r"\s*/ucseg\s*")
LONGEST_SPAN = 5_000
"""Characters between two backticks; without a bound, unpaired ones would cost their square."""

CLOSE = "write <!-- /ucseg --> after the figure"
WRITE = "write <!-- ucseg: MODEL METRIC -->FIGURE<!-- /ucseg -->"


class Marked(NamedTuple):
    """A marker: its words, where its comment is, and the marked text from *start* to *end*."""

    said: str
    at: int
    start: int
    end: int


class Mistake(NamedTuple):
    """A mistake in a marker, where it is, and what to write instead."""

    what: str
    at: int
    fix: str


class _Comment(NamedTuple):
    inside: str
    start: int
    end: int


def find_markers(text: str) -> Iterator[Marked | Mistake]:
    """Every marker of a document in order, and every mistake in one."""
    opened: _Comment | None = None
    for comment in _comments(text):
        if opened is not None and _CLOSING.fullmatch(comment.inside):
            words = _OPENING.fullmatch(opened.inside)
            if words:  # else it is a mistake already
                said = " ".join(words["said"].split())
                yield Marked(said, opened.start, opened.end, comment.start)
            opened = None
            continue
        if opened is not None:
            yield Mistake("the marker is not closed", opened.start, CLOSE)
        opened = comment
        if _CLOSING.fullmatch(comment.inside):
            yield Mistake("this marker closes none", comment.start, WRITE)
            opened = None
        elif not _OPENING.fullmatch(comment.inside):
            shown = " ".join(comment.inside.split())[:60]
            yield Mistake(f"'<!-- {shown} -->' is not a marker", comment.start, WRITE)
    if opened is not None:
        yield Mistake("the marker is not closed", opened.start, CLOSE)


def _comments(text: str) -> Iterator[_Comment]:
    """The comments that are, or are nearly, ours; one that never ends goes to the end."""
    position = 0
    while token := _TOKEN.search(text, position):
        position = token.end()
        if token["fence"]:
            position = _end_of_block(text, token["fence"], position)
        elif token["ticks"]:
            position = _end_of_span(text, token["ticks"], position)
        elif token["comment"]:
            end = text.find("-->", position)
            inside = text[position : end if end >= 0 else len(text)]
            if _MARKER.fullmatch(inside):
                yield _Comment(inside, token.start(), end + 3 if end >= 0 else len(text))
            position = end + 3 if end >= 0 else len(text)


def _end_of_block(text: str, fence: str, position: int) -> int:
    """Behind the line that closes a fenced block: as many of its signs at least, and no more."""
    closing = rf"(?<=[\r\n])[ \t>]*{fence[0]}{{{len(fence)},}}[ \t]*(?=[\r\n]|\Z)"
    found = re.compile(closing).search(text, position)
    return found.end() if found else len(text)


def _end_of_span(text: str, ticks: str, position: int) -> int:
    """Behind the backticks that end a code span; where none do, they are backticks."""
    same = re.compile(rf"(?<!`){ticks}(?!`)")
    found = same.search(text, position, position + LONGEST_SPAN)
    if found is None or _END_OF_PARAGRAPH.search(text, position, found.start()):
        return position
    return found.end()
