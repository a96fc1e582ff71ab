"""Totals, axes, taps and findings of models beside their baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from ucseg_cli.analysis.comparing.attribution import Reasons
from ucseg_cli.analysis.comparing.comparison import Comparison, Delta, design_axes, one_design
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, TRAIN_MEMORY
from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.analysis.rules.lint_checks import Finding
from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.conditions import Size
from ucseg_cli.facts.training import Training
from ucseg_cli.references.variants import ABSENT, Axis
from ucseg_cli.report.answers.choose.lint import finding_place
from ucseg_cli.report.document import (
    Cell,
    Column,
    Kind,
    Row,
    Table,
    Unit,
)
from ucseg_cli.report.parts.attribution_tables import axes_table, waterfalls
from ucseg_cli.report.parts.tap_cells import all_maps, shape_cell, shape_title, stride_cell
from ucseg_cli.units import plural

if TYPE_CHECKING:  # few comparisons measure time
    from ucseg_cli.analysis.timing.timing_answer import TimingAnswer

HANDFUL = 5
"""Modules that are shown first, and findings."""


class Compared(NamedTuple):
    """The comparisons and how they are laid out; *labels* are of the baseline and of each model.

    *budgets* are those of the project, which a picture shows; *size* is that of the input.
    """

    comparisons: Sequence[Comparison]
    reasons: Reasons
    convention: Convention
    labels: Sequence[str]
    sort: str
    top: int | None
    timed: TimingAnswer | None = None
    training: Training | None = None
    budgets: Sequence[Budget] = ()
    size: Size = Size()

    @property
    def is_pair(self) -> bool:
        """Whether there is a single model beside the baseline."""
        return len(self.comparisons) == 1

    @property
    def runs(self) -> bool:
        """Whether every model could be run, so that operations can be compared."""
        return all(model.totals[self.convention.name].known for model in self.comparisons)

    @property
    def totals(self) -> Mapping[str, Delta]:
        """Those of the first model, of which the others have the same metrics."""
        return self.comparisons[0].totals

    @property
    def is_of_training(self) -> bool:
        """Whether training steps are compared."""
        return self.training is not None and TRAIN_MEMORY.name in self.totals

    @property
    def metrics(self) -> Sequence[str]:
        """All but trainable and frozen if nothing is frozen, as these say nothing then."""
        frozen = [model.totals["frozen"] for model in self.comparisons]
        if any(delta.before or delta.after for delta in frozen):
            return [*self.totals]
        return [metric for metric in self.totals if metric not in {"trainable", "frozen"}]

    @property
    def that_matter(self) -> Sequence[str]:
        """The metrics to show first."""
        if self.is_of_training:
            return self.memory, self.convention.name, "params", "bytes"
        return "params", self.convention.name, self.memory, "bytes"

    @property
    def explained(self) -> Sequence[str]:
        """The metrics that the axes are to explain on a short screen."""
        if not self.runs:
            return ("params",)
        return self.memory if self.is_of_training else "params", self.convention.name

    @property
    def memory(self) -> str:
        """The metric of what has to fit at once."""
        return TRAIN_MEMORY.name if self.is_of_training else "peak-memory"

    def is_changed(self, metric: str) -> bool:
        """Whether a total differs in any model; what is unknown may."""
        known = all(model.totals[metric].known for model in self.comparisons)
        return self.differs(metric) or not known

    def differs(self, metric: str) -> bool:
        """Whether a total is known to differ in any model."""
        return any(model.totals[metric].delta for model in self.comparisons)

    def largest(self, metric: str) -> int:
        """The largest total of any model, of which changes are shares."""
        deltas = [comparison.totals[metric] for comparison in self.comparisons]
        return max(max(delta.before or 0, delta.after or 0) for delta in deltas)


# Totals


def totals_table(answer: Compared, *, first: bool) -> Table:
    """Metrics are rows; of three or more models, the models are."""
    metrics = answer.metrics
    if first:
        metrics = [metric for metric in answer.that_matter if answer.is_changed(metric)]
    if not answer.is_pair:
        return _totals_by_model(answer, metrics)
    rows = []
    for metric in metrics:
        unit = Unit.BYTES if EVERY_METRIC[metric].in_bytes else Unit.COUNT
        cells = delta_cells([answer.comparisons[0].totals[metric]])
        rows.append(Row((EVERY_METRIC[metric].title, *cells), unit=unit))
    note = None
    if answer.timed is not None:
        from ucseg_cli.report.parts.timed.time_cells import floor_note, time_cells

        rows.append(Row(("time of one call, p50", *time_cells(answer.timed)), unit=Unit.TIME))
        note = floor_note(answer.timed)
    columns = (Column("metric", "metric"), *delta_columns(answer))
    return Table("totals", "Totals", columns, tuple(rows), note)


def _totals_by_model(answer: Compared, metrics: Sequence[str]) -> Table:
    columns, rows = [Column("model", "model", Kind.PATH)], []
    for metric in metrics:
        kind = Kind.BYTES if EVERY_METRIC[metric].in_bytes else Kind.QUANTITY
        matters = metric in answer.that_matter
        tier = max(answer.that_matter.index(metric) - 1, 0) if matters else 3
        columns.append(Column(metric, metric, kind, tier))
        columns.append(Column(f"{metric}.change", "Δ%", Kind.CHANGE, tier))
    before = answer.comparisons[0].totals
    firsts = chain.from_iterable((before[metric].before, None) for metric in metrics)
    rows.append(Row((answer.labels[0], *firsts)))
    for model, name in zip(answer.comparisons, answer.labels[1:], strict=True):
        deltas = [model.totals[metric] for metric in metrics]
        rows.append(Row((name, *chain.from_iterable((d.after, d.change) for d in deltas))))
    note = None
    if answer.timed is not None:
        from ucseg_cli.report.parts.timed.time_cells import TIME_COLUMNS, floor_note, time_of

        columns += TIME_COLUMNS
        pairs = zip(rows, answer.timed.runs, strict=True)
        rows = [row._replace(cells=(*row.cells, *time_of(run))) for row, run in pairs]
        note = floor_note(answer.timed)
    return Table("totals", "Totals", tuple(columns), tuple(rows) if columns[1:] else (), note)


def delta_columns(answer: Compared, metric: str = "") -> Iterator[Column]:
    """Before, and for each model after, Δ and Δ%; titles name *metric* if that is not empty."""
    of, key = (f" {metric}", f"{metric}.") if metric else ("", "")
    tier = 3 if metric else 1
    yield Column(f"{key}before", answer.labels[0] + of, Kind.QUANTITY, tier)
    for index, name in enumerate(answer.labels[1:], 1):
        whose = "" if answer.is_pair else f" {name}"
        yield Column(f"{key}{index}.after", name + of, Kind.QUANTITY, tier - 1)
        yield Column(f"{key}{index}.delta", f"Δ{whose}{of}", Kind.DELTA)
        yield Column(f"{key}{index}.change", "Δ%", Kind.CHANGE)


def delta_cells(deltas: Sequence[Delta]) -> Iterator[Cell]:
    """The cells of delta_columns for one metric, a delta for each model."""
    yield deltas[0].before
    for delta in deltas:
        yield from (delta.after, None if delta.absent else delta.delta, delta.change)


# Axes


def have_axes(comparisons: Sequence[Comparison]) -> bool:
    """Whether all are variants of one design, which have axes in common."""
    return all(one_design(comparison.baseline, comparison.model) for comparison in comparisons)


def changed_axes(comparisons: Sequence[Comparison]) -> dict[str, Axis]:
    """The axes on which any model differs, in their declared order."""
    changed = {change.axis.name for comparison in comparisons for change in comparison.axes}
    declared = (axis for comparison in comparisons for axis, _ in design_axes(comparison)[1])
    return {axis.name: axis for axis in declared if axis.name in changed}


def unchanged_axes(comparisons: Sequence[Comparison]) -> int:
    """How many axes have one value in all."""
    names = {axis.name for comparison in comparisons for axis, _ in design_axes(comparison)[1]}
    return len(names) - len(changed_axes(comparisons))


def axes_tables(answer: Compared, metrics: Sequence[str], *, first: bool) -> Iterator[Table]:
    """The axes that changed and, unless *first*, the waterfall of each metric."""
    if not answer.is_pair:
        yield _axes_by_model(answer, first=first)
        return
    found = {attribution.metric: attribution for attribution in answer.reasons.attributions}
    changes = answer.comparisons[0].axes
    shown = [found[metric] for metric in metrics if metric in found]
    yield axes_table(changes, shown, unchanged_axes(answer.comparisons), first=first)
    if not first:
        wanted = dict.fromkeys((*metrics, "params", answer.memory))
        shown = [found[metric] for metric in wanted if metric in found]
        yield from waterfalls(changes, shown, *answer.labels)


def _axes_by_model(answer: Compared, *, first: bool) -> Table:
    """Each model with its value on every axis that changes in one of them."""
    axes = changed_axes(answer.comparisons)
    pairs = [design_axes(comparison) for comparison in answer.comparisons]
    sides = [pairs[0][0], *(after for _, after in pairs)]
    rows = []
    for side, name in zip(sides, answer.labels, strict=True):
        values = {axis.name: axis.show(value) for axis, value in side}
        rows.append(Row((name, *(values.get(axis, ABSENT) for axis in axes))))
    columns = (Column("model", "model"), *(Column(name, name) for name in axes))
    note = None if first else _unchanged(unchanged_axes(answer.comparisons), "axis", "axes")
    return Table("axes", "Axes", columns, tuple(rows) if axes else (), note, news=True)


# Taps


def taps_tables(answer: Compared, *, first: bool) -> Iterator[Table]:
    """The taps that changed, on every side; nothing if the networks have no tap in common."""
    models = answer.comparisons
    by_name = [{tap.name: tap for tap in model.taps} for model in models]
    names = dict.fromkeys(chain.from_iterable(by_name))
    if not any(tap.before and tap.after for model in models for tap in model.taps):
        return
    changed = [name for name in names if any(name in own and own[name].changed for own in by_name)]
    sides: dict[str, list[TapShape | None]] = {}
    for name in changed:
        found = [own.get(name) for own in by_name]
        before = next((tap.before for tap in found if tap and tap.before), None)
        sides[name] = [before, *(tap and tap.after for tap in found)]
    as_maps = all_maps(chain.from_iterable(sides.values()))
    columns = [Column("tap", "tap", Kind.PATH)]
    for index, name in enumerate(answer.labels):
        title = f"{name} {shape_title(as_maps=as_maps)}"
        columns.append(Column(f"{index}.shape", title, Kind.SHAPE))
        columns.append(Column(f"{index}.stride", "stride", Kind.EXACT, tier=1))
        columns.append(Column(f"{index}.module", "module", Kind.PATH, tier=2))
    rows = []
    for name, taps in sides.items():
        cells = (_tap_cells(tap, as_maps=as_maps) for tap in taps)
        rows.append(Row((name, *chain.from_iterable(cells))))
    note = None if first else _unchanged(len(names) - len(changed), "tap")
    yield Table("taps", "Taps", tuple(columns), tuple(rows), note, news=True)


def _tap_cells(tap: TapShape | None, *, as_maps: bool) -> tuple[Cell, Cell, Cell]:
    return shape_cell(tap, as_maps=as_maps), stride_cell(tap), tap and tap.module


def _unchanged(count: int, noun: str, nouns: str | None = None) -> str | None:
    return f"{plural(count, noun, nouns)} unchanged" if count else None


# Findings


class _FindingChange(NamedTuple):
    """A finding that is ``new``, ``gone`` or ``changed``, in a sentence and in short."""

    kind: str
    finding: Finding
    message: str
    in_short: str


def lint_table(answer: Compared, *, first: bool) -> Table:
    """The findings of each model that are new, gone or changed; *first* in short."""
    columns = [
        Column("model", "model", tier=3 if answer.is_pair else 0),
        Column("change", "change", Kind.CHANGE),
        Column("code", "rule"),
        Column("module", "module", Kind.PATH, tier=1),
        Column("message", "finding", Kind.PROSE),
    ]
    rows, notes = [], []
    for comparison, name in zip(answer.comparisons, answer.labels[1:], strict=True):
        for kind, finding, message, in_short in findings(answer, comparison, first=first):
            cells = (name, kind, finding.rule.code, finding_place(finding))
            rows.append(Row((*cells, in_short if first else message)))
        notes.append(f"{plural(comparison.lint.unchanged, 'finding')} of {name} unchanged")
    if not first:
        return Table("lint", "Lint", tuple(columns), tuple(rows), "; ".join(notes))
    short = tuple(row._replace(cells=row.cells[1:]) for row in rows)
    return Table("lint", "Lint", tuple(columns[1:]), short)


def findings(answer: Compared, comparison: Comparison, *, first: bool) -> Sequence[_FindingChange]:
    """All, or *first* a handful without those that restate a table, and of several models none."""
    changes = [*_finding_changes(comparison)]
    if not first:
        return changes
    shown = [change for change in changes if not change.finding.rule.restates_table]
    return shown[:HANDFUL] if answer.is_pair else []


def _finding_changes(comparison: Comparison) -> Iterator[_FindingChange]:
    """Each finding that is new, gone, or has other numbers."""
    lint = comparison.lint
    for kind, findings in (("new", lint.added), ("gone", lint.removed)):
        for finding in findings:
            yield _FindingChange(kind, finding, finding.message, finding.rule.title)
    for before, after in lint.altered:
        figures = (
            f"{name.replace('_', ' ')} {before.evidence[name]:,} → {count:,}"
            for name, count in after.evidence.items()
            if before.evidence[name] != count
        )
        message = f"{after.rule.title}: {', '.join(figures)}"
        yield _FindingChange("changed", after, message, message)
