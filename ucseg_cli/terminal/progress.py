"""Progress on stderr, while something takes long and only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ucseg_cli.terminal.streams import spell_for

CLEAR_LINE = "\r\x1b[2K"
A_MOMENT = 0.5
"""Seconds before which nothing can be said about how long the rest will take."""
A_FEW_MINUTES = 180
"""Seconds from which on minutes are exact enough."""


def progress_in_words(done: int, size: int, seconds: float) -> str:
    """``34%, 12 s left`` after *seconds* for *done* of *size*; without a guess at the beginning."""
    share = f"{done * 100 // size}%"
    if not done or seconds < A_MOMENT:
        return share
    left = round(seconds * (size - done) / done)
    return f"{share}, {left // 60} min left" if left >= A_FEW_MINUTES else f"{share}, {left} s left"


@contextmanager
def show_progress() -> Iterator[Callable[[str], None]]:
    """A function that says what is being done, in one line that is gone afterwards."""
    said = False

    def announce(message: str) -> None:
        nonlocal said
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            before = CLEAR_LINE if said else ""
            said = True
            sys.stderr.write(before + _within_a_line(spell_for(message, sys.stderr)))
            sys.stderr.flush()

    try:
        yield announce
    finally:
        if said:
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()


def _within_a_line(message: str) -> str:
    """As much of it as a line has room for, since only one line can be cleared."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return message
    return message[: columns - 1] if columns else message
