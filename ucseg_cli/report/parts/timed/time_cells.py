"""Measured time beside counts: cells, columns and the note on what a difference has to exceed."""

from __future__ import annotations

from ucseg_cli.analysis.timing.timing_answer import Run, TimingAnswer
from ucseg_cli.report.document import Cell, Column, Kind
from ucseg_cli.units import format_percent

NOT_RANKED = "~"
TIME_COLUMNS = [
    Column("latency-p50", "p50", Kind.DURATION, 1),
    Column("latency-p50.change", "Δ%", Kind.CHANGE, 1),
]
"""For models in rows; time_of has their cells."""


def time_of(run: Run) -> tuple[Cell, Cell]:
    """The median of a model, and how much more that is than the baseline's."""
    return run.statistics.p50, change_cell(run)


def time_cells(timed: TimingAnswer) -> tuple[Cell, ...]:
    """The medians of two models, their difference, and that as a share."""
    before, after = timed.runs
    difference: Cell = after.statistics.p50 - before.statistics.p50
    return (
        before.statistics.p50,
        after.statistics.p50,
        difference if after.is_ranked else NOT_RANKED,
        change_cell(after),
    )


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
