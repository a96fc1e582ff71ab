"""Whether this machine can hold a run on real tensors."""

from __future__ import annotations

from ucseg_cli.analysis.memory.peak_memory import real_run_bytes
from ucseg_cli.errors import ResourceError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.system.free_memory import free_memory
from ucseg_cli.units import format_bytes


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
