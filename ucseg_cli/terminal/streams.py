"""The two streams: what they can show, and everything that is ever written to them."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from contextlib import suppress
from typing import TextIO

from ucseg_cli.errors import UcsegError
from ucseg_cli.report.formats.cells import one_line, plain_ascii
from ucseg_cli.report.formats.screen import Screen


def stdout_screen(*, exact: bool) -> Screen:
    """Stdout as a screen, by COLUMNS, NO_COLOR, FORCE_COLOR and TERM; a pipe has no width."""
    return Screen(
        width=_width(sys.stdout),
        colour=_has_colour(sys.stdout),
        unicode=_has_unicode(sys.stdout),
        exact=exact,
    )


def print_text(text: str, *, for_machines: bool = False) -> None:
    """Write an answer to stdout, now and whole, so that a full disk or a closed pipe is noticed.

    Text *for_machines* is UTF-8, whatever the stream says; characters that its encoding lacks are
    otherwise written in ASCII. An unbuffered stream may take
    less than it is given, which Python's text layer ignores.
    """
    stream = sys.stdout
    text = text if text.endswith("\n") else f"{text}\n"
    data = text.encode() if for_machines else _encode(text, stream)
    stream.flush()
    while data:
        written = stream.buffer.write(data)
        if not written:
            raise BlockingIOError(errno.EAGAIN, "stdout takes no more")
        data = data[written:]
    stream.flush()


def say(word: str, message: str) -> None:
    """A line on stderr, ``warning: …``, coloured if colour is welcome."""
    colour = {"error": "31", "warning": "33"}.get(word, "36")
    mark = f"\x1b[1;{colour}m{word}\x1b[0m" if _has_colour(sys.stderr) else word
    _write_error(f"{mark}: {one_line(message)}")


def say_error(error: UcsegError) -> None:
    """An error on stderr: what, where, how to fix it."""
    say("error", error.what)
    for line in error_details(error):
        _write_error(line)


def error_details(error: UcsegError) -> list[str]:
    """The lines under an error's first."""
    where = [f"  --> {one_line(error.where)}"] if error.where else []
    notes = [*error.notes, *([f"help: {error.help}"] if error.help else [])]
    return [*where, *(f"   = {one_line(note)}" for note in notes)]


def forget(stream: TextIO) -> None:
    """Point a stream that takes no more at nothing, so that Python does not complain at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write_error(line: str) -> None:
    """A line on stderr; if that takes none, the answer and the exit status say enough."""
    try:
        sys.stderr.write(f"{spell_for(line, sys.stderr)}\n")
        sys.stderr.flush()
    except OSError:
        forget(sys.stderr)


def _encode(text: str, stream: TextIO) -> bytes:
    try:
        return text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return plain_ascii(text).encode("ascii")


def spell_for(text: str, stream: TextIO) -> str:
    """*text* in ASCII for a stream that encodes no more."""
    return text if _has_unicode(stream) else plain_ascii(text)


def _width(stream: TextIO) -> int | None:
    if stream.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return None


def _has_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _has_unicode(stream: TextIO) -> bool:
    try:
        "×Δ→█…✓".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
