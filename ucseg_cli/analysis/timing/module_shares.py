"""The time of modules as figures of their tree, which add up as counts do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ucseg_cli.analysis.counting.module_tree import Figures, ancestry
from ucseg_cli.facts.trace import Trace

TIME = "time"
"""The figure of a module: nanoseconds, of which only shares mean anything."""


def time_by_module(trace: Trace, times: Mapping[str, int]) -> dict[str, Figures]:
    """The own time of each module of *trace*; of a module that it lacks, with the nearest above."""
    own: Counter[str] = Counter()
    for path, nanoseconds in times.items():
        known = next(above for above in ancestry(path) if above in trace.by_path)
        own[known] += nanoseconds
    return {path: {TIME: nanoseconds} for path, nanoseconds in own.items()}
