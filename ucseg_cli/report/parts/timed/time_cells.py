"""Measured time beside counts: cells, columns and the note on what a difference has to exceed."""

from __future__ import annotations

from ucseg_cli.analysis.timing.timing_answer import Run, TimingAnswer
from ucseg_cli.report.document import Cell
from ucseg_cli.units import format_percent

NOT_RANKED = "~"


def change_cell(run: Run) -> Cell:
    """How much more time than the baseline it takes; a ``~`` if that is below the noise floor."""
    if run.ratio is None or run.verdict is None:
        return None
    return run.change if run.is_ranked else NOT_RANKED


def floor_note(timed: TimingAnswer) -> str:
    """The floor that a difference has to exceed."""
    if timed.noise.floor is None:
        return "The noise floor is unknown."
    floor = format_percent(timed.noise.floor)
    sign = "; ~ is below it" if timed.others else ""
    return f"Noise floor {floor}: {timed.baseline.name} beside itself in this run{sign}."
