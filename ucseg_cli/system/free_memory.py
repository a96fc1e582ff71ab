"""Reading how much memory this machine, container and process have left."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def free_memory() -> int | None:
    """Bytes left to this process without swapping, under the tightest limit; None if unknown."""
    left = (_left_on_the_machine(), _left_in_the_container(), _left_to_the_process())
    return min((count for count in left if count is not None), default=None)


def _left_on_the_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * PAGE
    except (ValueError, OSError, AttributeError):
        return None


def _left_in_the_container() -> int | None:
    """Bytes left under the memory limit of Linux's cgroups (version 2)."""
    try:
        most = int((CGROUP / "memory.max").read_text("ascii"))
        used = int((CGROUP / "memory.current").read_text("ascii"))
    except (OSError, ValueError):  # there is none, or its limit is "max"
        return None
    return max(most - used, 0)


def _left_to_the_process() -> int | None:
    """Bytes left under the limit of ``ulimit -v``."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * PAGE
    except (ImportError, OSError, ValueError):
        return None
    return None if most == resource.RLIM_INFINITY else max(most - used, 0)
