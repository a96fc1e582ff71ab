"""Training steps of models beside their baseline's: memory at the peak, and operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.comparing.comparison import Delta
from ucseg_cli.analysis.comparing.step_changes import Changes, part_changes, phase_changes
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.facts.training import Training
from ucseg_cli.report.answers.choose.compare_tables import Compared, delta_cells, delta_columns
from ucseg_cli.report.document import Column, Kind, Role, Row, Table, Unit
from ucseg_cli.report.parts.trained.step_notes import grouped_conv_notes, step_notes
from ucseg_cli.report.parts.trained.step_parts import TITLES


class _Step(NamedTuple):
    """Parts of a metric of a step, by model, and how their table names them and the *whole*."""

    key: str
    title: str
    metric: str
    noun: str
    whole: str
    changes: Sequence[Changes]


def step_tables(answer: Compared) -> Iterator[Table]:
    """The parts of each peak, which add up to it, and the operations of each pass."""
    if not answer.runs:
        return
    parts = [part_changes(comparison) for comparison in answer.comparisons]
    phases = [phase_changes(comparison, answer.convention) for comparison in answer.comparisons]
    memory = _Step("step", "Training step at its peak", answer.memory, "part", "peak", parts)
    metric, title = answer.convention.name, f"{answer.convention.title} of the step"
    yield _table(answer, memory)
    yield _table(answer, _Step("passes", title, metric, "pass", "total", phases))


def compared_step_notes(answer: Compared, training: Training) -> Iterator[str]:
    """Sentences on what the steps run, and on what is not seen of them."""
    sides = [answer.comparisons[0].baseline, *(model.model for model in answer.comparisons)]
    if answer.runs:
        yield from grouped_conv_notes([side.trace for side in sides], answer.convention)
        yield from step_notes(sides, training)


def _table(answer: Compared, step: _Step) -> Table:
    """Parts are rows; of three or more models, the models are."""
    totals = [comparison.totals[step.metric] for comparison in answer.comparisons]
    if not answer.is_pair:
        return _by_model(answer, step, totals)
    unit = Unit.BYTES if EVERY_METRIC[step.metric].in_bytes else Unit.COUNT
    (changes,) = step.changes
    rows = [
        Row((TITLES.get(name, name), *delta_cells([delta])), unit=unit)
        for name, delta in changes.items()
    ]
    rows.append(Row((step.whole, *delta_cells(totals)), role=Role.TOTAL, unit=unit))
    columns = (Column("part", step.noun), *delta_columns(answer))
    return Table(step.key, step.title, columns, tuple(rows))


def _by_model(answer: Compared, step: _Step, totals: Sequence[Delta]) -> Table:
    kind = Kind.BYTES if EVERY_METRIC[step.metric].in_bytes else Kind.QUANTITY
    names = (*step.changes[0], step.whole)
    columns = (Column("model", "model", Kind.PATH), *(Column(name, name, kind) for name in names))
    by_model = [
        (*of_model.values(), whole) for of_model, whole in zip(step.changes, totals, strict=True)
    ]
    figures = [
        [delta.before for delta in by_model[0]],
        *([delta.after for delta in deltas] for deltas in by_model),
    ]
    rows = (Row((name, *cells)) for name, cells in zip(answer.labels, figures, strict=True))
    return Table(step.key, step.title, columns, tuple(rows))
