"""Files that a user named for an answer: checked before the work, written whole after it."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ucseg_cli.errors import OutputError, UsageError
from ucseg_cli.report.formats.marks import is_answer, marked, may_have_columns_of
from ucseg_cli.system.atomic_write import replace_file

BEGINNING = 4096
"""Bytes that show what a file is."""
STDOUT = Path("-")
STDOUT_NAMES = {STDOUT, Path("/dev/stdout"), Path("/dev/fd/1"), Path("/proc/self/fd/1")}
CANNOT_REPLACE = {errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM}
"""Errors of renaming onto a file that is mounted, or in a folder that the user may not change."""


def is_stdout(path: Path) -> bool:
    """Whether *path* is stdout; opened by its name, it would overwrite the start of a log."""
    return path in STDOUT_NAMES


def refuse_unwritable(path: Path, format_name: str, *, force: bool) -> None:
    """Raise OutputError for a file that cannot be written, if that is seen without writing.

    Raises UsageError for one that an answer would replace though it is none, unless by *force*.
    """
    if is_stdout(path):
        return
    folder = path.resolve().parent
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        (folder / ".").stat()  # distinguishes a missing folder from a file in its place
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not force:
            _refuse_to_lose(path, format_name, None)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _refuse_to_lose(path: Path, format_name: str, answer: bytes | None) -> None:
    """Raise UsageError for a file that holds anything but an earlier answer.

    Columns of a CSV are only known with the *answer*.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    is_table = format_name == "csv" and may_have_columns_of(beginning, answer)
    if not is_table and not is_answer(beginning):
        what = f"{path} is there and is not an answer of ucseg"
        if format_name == "csv":
            what = f"{what} with these columns"
        fix = "name another file, or replace this one with --force"
        raise UsageError(what, where=str(path), help=fix)


def refuse_two_to_one(paths: Iterable[Path]) -> None:
    """Raise UsageError if two answers are to go to one file, since one of them would be lost."""
    times = Counter("stdout" if is_stdout(path) else str(path.resolve()) for path in paths)
    for name, count in times.items():
        if count > 1:
            what = f"two exports write to {name}"
            raise UsageError(what, where="--export-…", help="name a file for each")


def write_file(path: Path, text: str, format_name: str, kind: str, *, force: bool = False) -> None:
    """Write an answer of that *kind*: into a device or a pipe, else as a whole new file.

    Raises OutputError, and UsageError for a file that is not an answer unless by *force*.
    """
    data = marked(text, format_name, kind).encode()
    try:
        if not force:
            _refuse_to_lose(path, format_name, data)
        if path.exists() and not path.is_file():
            with path.open("ab", buffering=0) as stream:
                stream.write(data)
        else:
            _replace(path, data)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _replace(path: Path, data: bytes) -> None:
    try:
        replace_file(path, data)
    except OSError as error:
        if error.errno not in CANNOT_REPLACE or not path.exists():
            raise
        path.write_bytes(data)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    what = f"cannot write {path}: {error.strerror or error}"
    return OutputError(what, where=str(path), help="name a file in a folder that exists")
