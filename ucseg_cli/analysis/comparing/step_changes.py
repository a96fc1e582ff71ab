"""The parts of two training steps, side by side: memory at the peak, and operations."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.comparing.comparison import Comparison, Delta
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.counting.module_tree import Figures
from ucseg_cli.analysis.counting.operations import BACKWARD, FORWARD, flops_by_phase
from ucseg_cli.analysis.memory.training_memory import PARTS, training_peak
from ucseg_cli.facts.trace import Trace

Changes = dict[str, Delta]


def part_changes(comparison: Comparison) -> Changes:
    """Bytes by each of PARTS at the peaks, which they add up to."""
    return _changes(PARTS, *map(_parts, _traces(comparison)))


def phase_changes(comparison: Comparison, convention: Convention) -> Changes:
    """Operations in FORWARD and in BACKWARD, which add up to those of the step."""
    before, after = (flops_by_phase(trace, convention) for trace in _traces(comparison))
    return _changes((FORWARD, BACKWARD), before, after)


def _traces(comparison: Comparison) -> tuple[Trace, Trace]:
    return comparison.baseline.trace, comparison.model.trace


def _parts(trace: Trace) -> Figures:
    """None of a model that could not run."""
    return training_peak(trace).parts if trace.trained else {}


def _changes(names: Iterable[str], before: Figures, after: Figures) -> Changes:
    known = bool(before and after)
    return {name: Delta(before.get(name), after.get(name), known=known) for name in names}
