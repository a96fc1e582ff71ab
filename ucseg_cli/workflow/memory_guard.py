"""Whether this machine can hold a run on real tensors."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.analysis.memory.peak_memory import real_run_bytes
from ucseg_cli.errors import ResourceError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.system.free_memory import free_memory
from ucseg_cli.units import format_bytes, plural

PROCESS = 300_000_000
"""Bytes of a process that has imported torch and torchvision, without any model."""


def refuse_what_does_not_fit(trace: Trace, conditions: Conditions) -> None:
    """Raise ResourceError where a run on real tensors would need more memory than there is."""
    needed, free = real_run_bytes(trace), free_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"a run on real tensors would need about {format_bytes(needed)} of memory; "
            f"{format_bytes(free)} are free",
            where=f"input {conditions}",
            notes=("every other command answers at this size, since it needs no data",),
            help="verify at a smaller --size or --batch",
        )


def refuse_too_many_at_once(
    traces: Sequence[Trace], conditions: Conditions, *, on_cpu: bool
) -> None:
    """Raise ResourceError where models that take turns need more memory than there is.

    Each has a process of its own, and all of them are there at once. A GPU is not looked at.
    """
    runs = sum(map(real_run_bytes, traces)) if on_cpu else 0
    needed, free = runs + PROCESS * len(traces), free_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"timing needs {plural(len(traces), 'process', 'processes')} at once, and about "
            f"{format_bytes(needed)} of memory for them; {format_bytes(free)} are free",
            where=f"input {conditions}",
            notes=("models take turns, and the first one is there twice",),
            help="time fewer models, or at a smaller --size or --batch",
        )
