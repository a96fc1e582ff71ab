"""One process at a time in a folder, for a file that is read, compared and then replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 20.0
"""Seconds after which whoever is in the folder is taken to be stuck; a turn takes milliseconds."""
PAUSE = 0.01


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While it lasts, no other process is in here; waits for one that is.

    Leaves no file behind, and ends with the process, however that ends. Where the system has no
    such locks, nothing is held. Raises TimeoutError after PATIENCE.
    """
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        latest = time.monotonic() + PATIENCE
        while not _take(handle):
            if time.monotonic() > latest:
                raise TimeoutError(0, "another process does not let go of the folder", str(folder))
            time.sleep(PAUSE)
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    """Whether it is ours now."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock

        flock(handle, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows, or a network's file system without locks
        return True
    return True
