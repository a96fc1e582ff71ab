"""How Linux ends processes with each other, as prctl(2) sets it; elsewhere nothing is set."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 1, 36, 37

PATIENCE = 5.0
"""Seconds after which processes that start others faster than these end are left alone."""


def end_with_parent() -> None:
    """Let Linux kill this process when its parent ends, even by SIGKILL."""
    if sys.platform == "linux":
        _control(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def orphans_ended() -> Iterator[None]:
    """Afterwards no process is left that our children started meanwhile, whatever its session.

    On Linux a process whose parent ended becomes a child of ours, not of init: then it is known.
    Children that we had before are left alone.
    """
    if sys.platform != "linux":
        yield
        return
    import ctypes

    before, spared = ctypes.c_int(0), _children()
    _control(PR_GET_CHILD_SUBREAPER, ctypes.addressof(before))
    _control(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _end_children_but(spared)
        _control(PR_SET_CHILD_SUBREAPER, before.value)


def _control(option: int, value: int) -> None:
    import ctypes  # only a user's code needs it

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _children() -> set[int]:
    """Our children by number; /proc is read only if there are any."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return set()
    numbers = (folder.name for folder in Path("/proc").iterdir() if folder.name.isdigit())
    return {int(number) for number in numbers if _parent(number) == os.getpid()}


def _parent(number: str) -> int | None:
    """The parent of a process; None if it has ended."""
    try:
        status = Path("/proc", number, "stat").read_bytes()
    except OSError:
        return None
    return int(status.rpartition(b")")[2].split()[1])


def _end_children_but(spared: set[int]) -> None:
    """Kill the others, and the children that these leave to us, until there are none."""
    spared, deadline = set(spared), time.monotonic() + PATIENCE
    while (found := _children() - spared) and time.monotonic() < deadline:
        for number in found:
            try:
                os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0)
            except PermissionError:  # it runs as another user
                spared.add(number)
            except (ProcessLookupError, ChildProcessError):
                continue
