"""Reading what a machine is, and what the system counts: load, governor, stolen time, heat."""

from __future__ import annotations

import os
import platform
from fractions import Fraction
from pathlib import Path

from ucseg_cli.system.machine import Machine, Readings

PROC, CPUS = Path("/proc"), Path("/sys/devices/system/cpu")
NAMES = ("model name", "Hardware", "cpu model", "Processor")
"""The keys under which Linux has the name of a processor, by architecture."""
STEAL = 7
"""The place of stolen ticks in a line of /proc/stat; guest time, after it, counts as user's."""


def read_machine() -> Machine:
    """All that identifies this machine."""
    system = " ".join(filter(None, (platform.system(), platform.machine())))
    return Machine(_processor(), usable_cores(), _memory(), system or None)


def usable_cores() -> int | None:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def read_counters() -> Readings:
    """The counters of the system, now."""
    return Readings(_load(), _governor(), _ticks(), _throttled())


def _processor() -> str | None:
    lines = (_text(PROC / "cpuinfo") or "").splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (ln.partition(":") for ln in lines)}
    named = next((fields[name] for name in NAMES if fields.get(name)), None)
    return " ".join((named or platform.processor()).split()) or None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _load() -> Fraction | None:
    try:
        return Fraction(round(os.getloadavg()[0] * 100), 100)
    except (AttributeError, OSError):
        return None


def _governor() -> str | None:
    return _text(CPUS / "cpu0" / "cpufreq" / "scaling_governor")


def _ticks() -> tuple[int, int] | None:
    """All ticks of all cores, and the stolen ones."""
    first, _, rest = (_text(PROC / "stat") or "").partition("\n")[0].partition(" ")
    counts = [int(word) for word in rest.split()[: STEAL + 1] if word.isdigit()]
    if first != "cpu" or len(counts) <= STEAL:
        return None
    return sum(counts), counts[STEAL]


def _throttled() -> int | None:
    texts = map(_text, CPUS.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
    counts = [int(text) for text in texts if text is not None and text.isdigit()]
    return sum(counts) if counts else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text("ascii", errors="replace").strip()
    except OSError:
        return None
