"""A machine: all that identifies it, and its state while something is measured."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Machine(NamedTuple):
    """A machine as it identifies itself; None for what cannot be read.

    Args:
        cpu: the name of its processor.
        cores: how many of them this process may use.
        memory: bytes.
        system: the operating system, such as ``Linux x86_64``.
        gpu: the name of the GPU, if one was used.
    """

    cpu: str | None = None
    cores: int | None = None
    memory: int | None = None
    system: str | None = None
    gpu: str | None = None


class Readings(NamedTuple):
    """The counters of a system at one moment; None for what it does not count.

    Args:
        load: processes that ran or waited, over the last minute.
        governor: of the first core.
        ticks: of all cores since the start, and the part of them that was stolen.
        throttled: how often a core was slowed down because of heat, since the start.
    """

    load: Fraction | None = None
    governor: str | None = None
    ticks: tuple[int, int] | None = None
    throttled: int | None = None


class MachineState(NamedTuple):
    """The machine while something was measured; None for what could not be read.

    Args:
        load: before the measurement began, over a minute.
        governor: that sets the frequency.
        stolen: the share of time that the host gave to other guests.
        throttled: how often a core was slowed down because of heat.
        received: the share of a core that the calls got; None with several threads, or a GPU.
    """

    load: Fraction | None = None
    governor: str | None = None
    stolen: Fraction | None = None
    throttled: int | None = None
    received: Fraction | None = None


def state_between(before: Readings, after: Readings, received: Fraction | None) -> MachineState:
    """The state from one reading to the next; what a counter lacks in either is None."""
    stolen = throttled = None
    if before.ticks and after.ticks:
        total, robbed = (new - old for old, new in zip(before.ticks, after.ticks, strict=True))
        stolen = Fraction(robbed, total) if total > 0 else None
    if before.throttled is not None and after.throttled is not None:
        throttled = after.throttled - before.throttled
    return MachineState(before.load, before.governor, stolen, throttled, received)
