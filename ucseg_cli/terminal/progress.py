"""Progress on stderr, while something takes long and only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ucseg_cli.terminal.streams import spell_for

CLEAR_LINE = "\r\x1b[2K"


@contextmanager
def show_progress() -> Iterator[Callable[[str], None]]:
    """A function that says what is being done, in a line that is gone afterwards."""
    said = False

    def announce(message: str) -> None:
        nonlocal said
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            said = True
            sys.stderr.write(spell_for(message, sys.stderr))
            sys.stderr.flush()

    try:
        yield announce
    finally:
        if said:
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()
