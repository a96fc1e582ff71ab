"""How much memory this machine has left, as far as it tells."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def free_memory() -> int | None:
    """Bytes that this process can have without swapping, the least that any limit leaves; None where none is told."""
    left = (_left_on_the_machine(), _left_in_the_container(), _left_to_the_process())
    return min((each for each in left if each is not None), default=None)


def _left_on_the_machine() -> int | None:
    try:
        fields = dict(
            line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines()
        )
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * PAGE
    except (ValueError, OSError, AttributeError):
        return None


def _left_in_the_container() -> int | None:
    """What the memory controller of Linux's cgroups (version 2) leaves."""
    try:
        most, used = (
            int((CGROUP / name).read_text("ascii")) for name in ("memory.max", "memory.current")
        )
    except (OSError, ValueError):  # there is none, or its limit is "max"
        return None
    return max(most - used, 0)


def _left_to_the_process() -> int | None:
    """What ``ulimit -v`` leaves."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * PAGE
    except (ImportError, OSError, ValueError):
        return None
    return None if most == resource.RLIM_INFINITY else max(most - used, 0)
