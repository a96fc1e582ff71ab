"""Files that a user named for an answer: checked before the work, written whole after it."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ucseg_cli.errors import OutputError, UsageError
from ucseg_cli.references.grammar import CHECKPOINTS
from ucseg_cli.system.atomic_write import replace_file

NEVER_ANSWERS = (*CHECKPOINTS, ".npz", ".pkl", ".py", ".ipynb", ".toml", ".lock.json")
"""Endings of files that people would lose if an export replaced them."""
ANSWERS = {
    ".csv",
    ".tsv",
    ".md",
    ".markdown",
    ".html",
    ".htm",
    ".xml",
    ".json",
    ".sarif",
    ".txt",
    ".log",
    ".out",
}
"""Endings of answers; a file with another is one only if it begins as one of ours."""
OURS = re.compile(rb'"(kind|name)": ?"ucseg')
"""How JSON and SARIF of ours begin."""
BEGINNING = 4096
"""Bytes that show what a file is."""
STDOUT = Path("-")
STDOUT_NAMES = {STDOUT, Path("/dev/stdout"), Path("/dev/fd/1"), Path("/proc/self/fd/1")}
CANNOT_REPLACE = {errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM}
"""Errors of renaming onto a file that is mounted, or in a folder that the user may not change."""


def is_stdout(path: Path) -> bool:
    """Whether *path* is stdout; opened by its name, it would overwrite the start of a log."""
    return path in STDOUT_NAMES


def refuse_unwritable(path: Path) -> None:
    """Raise OutputError for a file that cannot be written, if that is seen without writing."""
    if is_stdout(path):
        return
    folder = path.resolve().parent
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        (folder / ".").stat()  # distinguishes a missing folder from a file in its place
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        _refuse_to_lose(path)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _refuse_to_lose(path: Path) -> None:
    """Raise UsageError for a file that holds something other than an earlier answer.

    Endings of answers may be replaced, JSON only if it is ours, and code never.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    is_ours = OURS.search(beginning) is not None
    is_foreign_json = beginning.lstrip()[:1] in {b"{", b"["} and not is_ours
    is_code = beginning.startswith(b"#!") or path.name in {"Makefile", "Dockerfile", "LICENSE"}
    ending = path.suffix.lower()
    is_other = ending not in ANSWERS if ending else is_code
    if (
        path.name.lower().endswith(NEVER_ANSWERS)
        or b"\0" in beginning
        or is_foreign_json
        or (is_other and not is_ours)
    ):
        what = f"{path} is there and is not an answer of ucseg"
        raise UsageError(what, where=str(path), help="name another file, or delete this one")


def refuse_two_to_one(paths: Iterable[Path]) -> None:
    """Raise UsageError if two answers are to go to one file, since one of them would be lost."""
    times = Counter("stdout" if is_stdout(path) else str(path.resolve()) for path in paths)
    for name, count in times.items():
        if count > 1:
            what = f"two exports write to {name}"
            raise UsageError(what, where="--export-…", help="name a file for each")


def write_file(path: Path, text: str) -> None:
    """Write an answer: into a device or a pipe, else as a whole new file. Raises OutputError."""
    data = text.encode()
    try:
        _refuse_to_lose(path)
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
