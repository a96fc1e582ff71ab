"""``ucseg compare``: totals, axes, modules, taps and findings side by side, and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.analysis.comparing.comparison import MODULE_METRICS, Comparison, Delta, ModuleDelta
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.analysis.rules.lint_checks import Finding
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.variants import AXES
from ucseg_cli.report.answers.choose.lint import finding_place
from ucseg_cli.report.document import (
    Cell,
    Column,
    First,
    Highlight,
    Kind,
    Report,
    Role,
    Row,
    Table,
    Unit,
)
from ucseg_cli.report.parts.attribution_tables import attribution_payload, axes_table, waterfalls
from ucseg_cli.report.parts.compare_payload import compare_payload, compare_records
from ucseg_cli.report.parts.compare_sentence import compare_sentence
from ucseg_cli.report.parts.conditions_header import shown_conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.report.parts.short_names import column_names
from ucseg_cli.report.parts.tap_cells import all_maps, shape_cell, shape_title, stride_cell
from ucseg_cli.units import exact_ratio, plural

HANDFUL = 5
"""Modules that are shown first, and findings."""
LONGEST_LABEL = 16
"""Cells of a model's name in a heading; a longer one is a number that the header explains."""


class _Answer(NamedTuple):
    """The comparisons and how they are laid out; *labels* are of the baseline and of each model."""

    comparisons: Sequence[Comparison]
    attributions: Sequence[Attribution]
    convention: Convention
    labels: Sequence[str]
    sort: str
    top: int | None

    @property
    def is_pair(self) -> bool:
        return len(self.comparisons) == 1

    @property
    def runs(self) -> bool:
        return all(model.totals[self.convention.name].known for model in self.comparisons)

    @property
    def metrics(self) -> Sequence[str]:
        """All but trainable and frozen if nothing is frozen, as these say nothing then."""
        frozen = [model.totals["frozen"] for model in self.comparisons]
        if any(delta.before or delta.after for delta in frozen):
            return [*METRICS]
        return [metric for metric in METRICS if metric not in {"trainable", "frozen"}]

    @property
    def that_matter(self) -> Sequence[str]:
        """The metrics to show first."""
        return "params", self.convention.name, "peak-memory", "bytes"

    def is_changed(self, metric: str) -> bool:
        deltas = [model.totals[metric] for model in self.comparisons]
        return any(delta.delta or not delta.known for delta in deltas)

    def largest(self, metric: str) -> int:
        """The largest total of any model, of which changes are shares."""
        deltas = [comparison.totals[metric] for comparison in self.comparisons]
        return max(max(delta.before or 0, delta.after or 0) for delta in deltas)


def compare_report(
    comparisons: Sequence[Comparison],
    conditions: Conditions,
    convention: Convention,
    *,
    sort: str,
    top: int | None,
    full: bool = True,
    attributions: Sequence[Attribution] = (),
) -> Report:
    """One or more models beside their baseline; modules by absolute change or by ``path``.

    *attributions* say for every metric why the one model differs. Unless *full*, a terminal shows
    first what matters.
    """
    baseline = comparisons[0].baseline.name
    names = [baseline, *(comparison.model.name for comparison in comparisons)]
    labels, legend = _labels(names)
    answer = _Answer(comparisons, attributions, convention, labels, sort, top)
    sentences = [compare_sentence(model, convention, attributions) for model in comparisons]
    return Report(
        kind="ucseg.compare",
        title=f"compare {baseline} → {', '.join(names[1:])}",
        conditions={**shown_conditions([conditions], convention), **legend},
        tables=tuple(_tables(answer, first=False)),
        summary=" ".join(dict.fromkeys(sentences)),
        notes=tuple(_notes(answer)),
        payload={
            **compare_payload(comparisons, conditions, convention),
            "attribution": attribution_payload(attributions),
        },
        records=compare_records(comparisons),
        highlights=tuple(_highlights(answer)),
        first=None if full else _first(answer),
    )


def _labels(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Each model's name in headings, and the long names behind numbers."""
    short = column_names(names)
    long = [name for name in short if len(short[name]) > LONGEST_LABEL]
    legend = {f"[{number}]": name for number, name in enumerate(long, 1)}
    short.update((name, number) for number, name in legend.items())
    return [short[name] for name in names], legend


def _notes(answer: _Answer) -> Iterator[str]:
    """Which command shows the reasons that this one has no room for."""
    baseline, *others = answer.comparisons[0].baseline.name, answer.comparisons[-1].model.name
    if not answer.is_pair and any(model.axes for model in answer.comparisons):
        yield f"Reasons are shown for two models at a time: `ucseg compare {baseline} {others[0]}`."


def _highlights(answer: _Answer) -> Iterator[Highlight]:
    for model, name in zip(answer.comparisons, answer.labels[1:], strict=True):
        for metric in ("params", answer.convention.name):
            delta = model.totals[metric]
            change = None if isinstance(delta.change, str) else delta.change
            if delta.known:
                title = f"{METRICS[metric].title}, {name}"
                yield Highlight(title, delta.after or 0, Unit.COUNT, change)


def _first(answer: _Answer) -> First:
    """The tables with something that changed, and a sentence on all the rest."""
    tables = [table for table in _tables(answer, first=True) if _has_data(table)]
    return First(tuple(tables), f"{_unchanged_things(answer)} {_also_changed(answer)}".rstrip())


def _has_data(table: Table) -> bool:
    return any(row.role is Role.DATA for row in table.rows)


def _unchanged_things(answer: _Answer) -> str:
    models = answer.comparisons
    metrics = [metric for metric in answer.metrics if not answer.is_changed(metric)]
    axes = len(AXES) - len(_changed_axes(models)) if _in_family(models) else 0
    modules = [d for d in _align(models).values() if not _is_changed(d, MODULE_METRICS)]
    taps = {tap.name: tap.changed for model in models for tap in model.taps}
    same = (
        plural(len(metrics), "metric"),
        plural(axes, "axis", "axes"),
        plural(len(modules), "module"),
        plural([*taps.values()].count(False), "tap"),
        plural(sum(model.lint.unchanged for model in models), "finding"),
    )
    counted = [words for words in same if not words.startswith("0 ")]
    return f"Unchanged: {', '.join(counted) or 'nothing'}."


def _also_changed(answer: _Answer) -> str:
    """All that changed and is not among the first tables."""
    metrics = [metric for metric in answer.metrics if answer.is_changed(metric)]
    more = [METRICS[metric].title for metric in metrics if metric not in answer.that_matter]
    hidden = 0
    for comparison in answer.comparisons:
        every, shown = (_findings(answer, comparison, first=first) for first in (False, True))
        hidden += len(every) - len(shown)
    if hidden:
        more.append(plural(hidden, "finding"))
    also = f"Also changed: {', '.join(more)}. " if more else ""
    return f"{also}`--full` shows all."


def _tables(answer: _Answer, *, first: bool) -> Iterator[Table]:
    """All tables, or those to show *first*: short, with the metrics that matter side by side."""
    metrics = ["params", *([answer.convention.name] if answer.runs else [])]
    yield _totals_table(answer, first=first)
    if _in_family(answer.comparisons):
        yield from _axes_tables(answer, metrics, first=first)
    for group in _groups(answer, metrics, first=first):
        yield _modules_table(answer, group, HANDFUL if first else None)
    yield from _taps_tables(answer, first=first)
    if answer.runs:
        yield _lint_table(answer, first=first)


def _groups(answer: _Answer, metrics: Sequence[str], *, first: bool) -> Sequence[Sequence[str]]:
    """Which metrics share a table of modules."""
    if not first or not answer.is_pair:
        return [[metric] for metric in metrics]
    modules = answer.comparisons[0].modules
    return [[metric for metric in metrics if _is_changed(modules, [metric])] or metrics]


# Totals


def _totals_table(answer: _Answer, *, first: bool) -> Table:
    """Metrics are rows; of three or more models, the models are."""
    metrics = answer.metrics
    if first:
        metrics = [metric for metric in answer.that_matter if answer.is_changed(metric)]
    if not answer.is_pair:
        return _totals_by_model(answer, metrics)
    rows = []
    for metric in metrics:
        unit = Unit.BYTES if METRICS[metric].in_bytes else Unit.COUNT
        cells = _delta_cells([answer.comparisons[0].totals[metric]])
        rows.append(Row((METRICS[metric].title, *cells), unit=unit))
    columns = (Column("metric", "metric"), *_delta_columns(answer))
    return Table("totals", "Totals", columns, tuple(rows))


def _totals_by_model(answer: _Answer, metrics: Sequence[str]) -> Table:
    columns, rows = [Column("model", "model", Kind.PATH)], []
    for metric in metrics:
        kind = Kind.BYTES if METRICS[metric].in_bytes else Kind.QUANTITY
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
    return Table("totals", "Totals", tuple(columns), tuple(rows) if metrics else ())


def _delta_columns(answer: _Answer, metric: str = "") -> Iterator[Column]:
    """Before, and for each model after, Δ and Δ%; titles name *metric* if that is not empty."""
    of, key = (f" {metric}", f"{metric}.") if metric else ("", "")
    tier = 3 if metric else 1
    yield Column(f"{key}before", answer.labels[0] + of, Kind.QUANTITY, tier)
    for index, name in enumerate(answer.labels[1:], 1):
        whose = "" if answer.is_pair else f" {name}"
        yield Column(f"{key}{index}.after", name + of, Kind.QUANTITY, tier - 1)
        yield Column(f"{key}{index}.delta", f"Δ{whose}{of}", Kind.DELTA)
        yield Column(f"{key}{index}.change", "Δ%", Kind.CHANGE)


def _delta_cells(deltas: Sequence[Delta]) -> Iterator[Cell]:
    yield deltas[0].before
    for delta in deltas:
        yield from (delta.after, None if delta.absent else delta.delta, delta.change)


# Axes


def _in_family(comparisons: Sequence[Comparison]) -> bool:
    subjects = [comparisons[0].baseline, *(comparison.model for comparison in comparisons)]
    return all(subject.variant is not None for subject in subjects)


def _changed_axes(comparisons: Sequence[Comparison]) -> set[str]:
    return {change.axis.name for comparison in comparisons for change in comparison.axes}


def _axes_tables(answer: _Answer, metrics: Sequence[str], *, first: bool) -> Iterator[Table]:
    """The axes that changed and, unless *first*, the waterfall of each metric."""
    if not answer.is_pair:
        yield _axes_by_model(answer, first=first)
        return
    found = {attribution.metric: attribution for attribution in answer.attributions}
    changes = answer.comparisons[0].axes
    yield axes_table(changes, [found[metric] for metric in metrics if metric in found], first=first)
    if not first:
        shown = [found[metric] for metric in (*metrics, "peak-memory") if metric in found]
        yield from waterfalls(changes, shown, *answer.labels)


def _axes_by_model(answer: _Answer, *, first: bool) -> Table:
    """Each model with its value on every axis that changes in one of them."""
    changed = _changed_axes(answer.comparisons)
    axes = [axis for axis in AXES if axis.name in changed]
    subjects = [answer.comparisons[0].baseline, *(model.model for model in answer.comparisons)]
    rows = []
    for subject, name in zip(subjects, answer.labels, strict=True):
        values = (axis.show(getattr(subject.variant, axis.name)) for axis in axes)
        rows.append(Row((name, *values)))
    columns = (Column("model", "model"), *(Column(axis.name, axis.name) for axis in axes))
    note = None if first else _unchanged(len(AXES) - len(axes), "axis", "axes")
    return Table("axes", "Axes", columns, tuple(rows) if axes else (), note, news=True)


# Modules


def _modules_table(answer: _Answer, metrics: Sequence[str], handful: int | None) -> Table:
    """The modules that change a metric most; the others, and those that do not, in one row each."""
    by_module = _align(answer.comparisons)
    changed = [item for item in by_module.items() if _is_changed(item[1], metrics)]
    unchanged = [deltas for deltas in by_module.values() if not _is_changed(deltas, metrics)]
    changed.sort(key=lambda item: _order(answer, item, metrics))
    top = len(changed) if handful is None else handful
    top = top if answer.top is None else answer.top
    others = [deltas for _, deltas in changed[top:]]
    totals = [comparison.totals for comparison in answer.comparisons]
    rows = [
        *(Row((_label(*item), *_cells(_figures(item[1]), metrics))) for item in changed[:top]),
        *_folded_row(plural(len(others), "other"), others, metrics),
        *_folded_row(f"{len(unchanged)} unchanged", unchanged, metrics),
        Row(("total", *_cells(totals, metrics)), role=Role.TOTAL),
    ]
    columns = [Column("path", "module", Kind.PATH)]
    if len(metrics) > 1:
        for metric in metrics:
            columns += _delta_columns(answer, metric)
        return Table("modules", "Modules", tuple(columns), tuple(rows))
    title = METRICS[metrics[0]].title
    columns += _delta_columns(answer)
    name = f"{title[0].upper()}{title[1:]} by module"
    return Table(f"modules.{metrics[0]}", name, tuple(columns), tuple(rows))


Key = tuple[bool, str]
"""Whether the baseline has a module, and its label there, else in the models that have it."""
Figures = Sequence[Mapping[str, Delta]]
"""By metric, of each model beside the baseline."""


def _align(comparisons: Sequence[Comparison]) -> dict[Key, list[ModuleDelta]]:
    """Each module of any model with its delta in every comparison."""
    by_key = [{_key(module): module for module in model.modules} for model in comparisons]
    keys = dict.fromkeys(chain.from_iterable(by_key))
    return {key: [own.get(key) or _absent(key, by_key) for own in by_key] for key in keys}


def _key(module: ModuleDelta) -> Key:
    is_old = module.figures["params"].before is not None
    path = module.was or module.path if is_old else module.path
    return is_old, label(path, own=module.own)


def _absent(key: Key, by_key: Iterable[Mapping[Key, ModuleDelta]]) -> ModuleDelta:
    """A module that another model has, and neither the baseline nor this one."""
    known = next(own[key] for own in by_key if key in own)
    return known._replace(figures=dict.fromkeys(known.figures, Delta(None, None)), was=None)


def _label(key: Key, deltas: Sequence[ModuleDelta]) -> str:
    """The baseline's name; of one comparison the model's, with the baseline's if that differs."""
    only = deltas[0]
    if len(deltas) > 1 or not only.was:
        return key[1]
    return f"{label(only.path, own=only.own)} (was {only.was})"


def _is_changed(deltas: Sequence[ModuleDelta], metrics: Sequence[str]) -> bool:
    return any(delta.figures[metric].delta for delta in deltas for metric in metrics)


def _order(
    answer: _Answer, item: tuple[Key, Sequence[ModuleDelta]], metrics: Sequence[str]
) -> tuple[Fraction, str]:
    """By the largest change of any metric as a share of the whole network's, or by path."""
    key, deltas = item
    if answer.sort == "path":
        return Fraction(), _label(key, deltas)
    shares = (
        exact_ratio(abs(delta.figures[metric].delta), answer.largest(metric))
        for delta in deltas
        for metric in metrics
    )
    return -max(share or Fraction() for share in shares), _label(key, deltas)


def _figures(deltas: Sequence[ModuleDelta]) -> Figures:
    return [delta.figures for delta in deltas]


def _cells(figures: Figures, metrics: Sequence[str]) -> Iterator[Cell]:
    for metric in metrics:
        yield from _delta_cells([of_model[metric] for of_model in figures])


def _folded_row(
    name: str, folded: Sequence[Sequence[ModuleDelta]], metrics: Sequence[str]
) -> list[Row]:
    """Several modules as one row, with their sums."""
    if not folded:
        return []
    by_model = zip(*map(_figures, folded), strict=True)
    sums = [{metric: _sum(figures, metric) for metric in metrics} for figures in by_model]
    return [Row((name, *_cells(sums, metrics)), role=Role.FOLDED)]


def _sum(figures: Figures, metric: str) -> Delta:
    deltas = [of_module[metric] for of_module in figures]
    return Delta(sum(d.before or 0 for d in deltas), sum(d.after or 0 for d in deltas))


# Taps


def _taps_tables(answer: _Answer, *, first: bool) -> Iterator[Table]:
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


def _lint_table(answer: _Answer, *, first: bool) -> Table:
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
        for kind, finding, message, in_short in _findings(answer, comparison, first=first):
            cells = (name, kind, finding.rule.code, finding_place(finding))
            rows.append(Row((*cells, in_short if first else message)))
        notes.append(f"{plural(comparison.lint.unchanged, 'finding')} of {name} unchanged")
    if not first:
        return Table("lint", "Lint", tuple(columns), tuple(rows), "; ".join(notes))
    short = tuple(row._replace(cells=row.cells[1:]) for row in rows)
    return Table("lint", "Lint", tuple(columns[1:]), short)


def _findings(answer: _Answer, comparison: Comparison, *, first: bool) -> Sequence[_FindingChange]:
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
