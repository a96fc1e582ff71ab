"""Reading a file that others may have put there: plain, of bounded size and, if it counts, ours.

A pipe would keep us waiting, a device or a sparse file would fill the memory, and in a folder that
all may write to another user's file could say what we run.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 1 << 28
"""No configuration, lock or trace comes near it."""


class ForeignFileError(PermissionError):
    """Another user owns the file."""


def read_plain_file(path: Path, *, ours: bool = False, follow: bool = True) -> bytes:
    """The file whole.

    Args:
        path: of the file.
        ours: whether it must be the user's own, as git asks of a repository.
        follow: whether it may be a link.

    Raises OSError, as ``open`` does and for what is not such a file; ForeignFileError if it is not
    *ours*, link and file.
    """
    # Without O_NONBLOCK, opening a pipe waits for someone to write to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(path, flags if follow else flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as error:
        if link := dangling_link(path):
            raise FileNotFoundError(errno.ENOENT, f"it is {link}", str(path)) from error
        raise
    # os.fdopen would give the error for a folder the number in the place of its name
    with open(path, "rb", opener=lambda *_: handle) as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file")
        if status.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES:,} bytes")
        if ours and not (is_ours(status) and is_ours(path.lstat())):
            raise ForeignFileError(errno.EPERM, f"another user owns it (number {status.st_uid})")
        return file.read(MOST_BYTES)


def read_plain_text(path: Path, *, follow: bool = True) -> str:
    """The file as UTF-8, with every line ended by a line feed; raises UnicodeDecodeError, too."""
    text = read_plain_file(path, follow=follow).decode("utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def dangling_link(path: Path) -> str | None:
    """Words for a link to a file that is not there; None for any other path."""
    try:
        return None if path.exists() else f"a link to {path.readlink()}, which is missing"
    except (OSError, ValueError):  # not a link, or a name that no file can have
        return None


def is_ours(status: os.stat_result) -> bool:
    """Whether the user who runs us owns it; under sudo, also the one who called sudo."""
    if not hasattr(os, "geteuid"):
        return True
    users = {os.geteuid()}
    if os.geteuid() == 0 and (caller := os.environ.get("SUDO_UID", "")).isdecimal():
        users.add(int(caller))
    return status.st_uid in users
