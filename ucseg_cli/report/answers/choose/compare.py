"""``ucseg compare``: tables of all that differs, those to show first, and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ucseg_cli.analysis.comparing.attribution import NO_REASONS, Reasons
from ucseg_cli.analysis.comparing.comparison import Comparison
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.answers.choose.compare_modules import align, is_changed_in, modules_table
from ucseg_cli.report.answers.choose.compare_settings import settings_table
from ucseg_cli.report.answers.choose.compare_tables import (
    HANDFUL,
    Compared,
    axes_tables,
    findings,
    have_axes,
    lint_table,
    taps_tables,
    totals_table,
    unchanged_axes,
)
from ucseg_cli.report.answers.choose.loading_tables import loading_notes, loading_tables
from ucseg_cli.report.document import (
    First,
    Highlight,
    Report,
    Role,
    Table,
    Unit,
)
from ucseg_cli.report.parts.attribution_tables import (
    attribution_payload,
    gap_notes,
    gaps_payload,
)
from ucseg_cli.report.parts.compare_payload import compare_payload, compare_records
from ucseg_cli.report.parts.compare_sentence import compare_sentence
from ucseg_cli.report.parts.conditions_header import shown_conditions
from ucseg_cli.report.parts.short_names import column_names
from ucseg_cli.units import plural

if TYPE_CHECKING:  # few comparisons measure time
    from ucseg_cli.analysis.timing.timing_answer import TimingAnswer
    from ucseg_cli.facts.budget import Budget
    from ucseg_cli.report.pictures.picture import Picture

LONGEST_LABEL = 16
"""Cells of a model's name in a heading; a longer one is a number that the header explains."""


def compare_report(
    comparisons: Sequence[Comparison],
    conditions: Conditions,
    convention: Convention,
    *,
    sort: str,
    top: int | None,
    full: bool = True,
    reasons: Reasons = NO_REASONS,
    timed: TimingAnswer | None = None,
    budgets: Sequence[Budget] = (),
) -> Report:
    """One or more models beside their baseline; modules by absolute change or by ``path``.

    *reasons* say for every metric why the one model differs. *timed* has their times, if these
    were measured. Unless *full*, a terminal shows first what matters. A picture shows *budgets*.
    """
    baseline = comparisons[0].baseline.name
    names = [baseline, *(comparison.model.name for comparison in comparisons)]
    labels, legend = _labels(names)
    attributions = reasons.attributions
    answer = Compared(
        comparisons,
        reasons,
        convention,
        labels,
        sort,
        top,
        timed,
        conditions.training,
        budgets,
        conditions.size,
    )
    sentences = [compare_sentence(model, convention, attributions) for model in comparisons]
    measured: dict[str, Any] = {}
    if timed is not None:
        from ucseg_cli.report.parts.timed.timed_runs import timing_payload
        from ucseg_cli.report.parts.timed.timing_notes import timing_sentence

        sentences.append(timing_sentence(timed))
        measured = {"latency": timing_payload(timed), "verdict": {"status": timed.status}}
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
            "gaps": gaps_payload(reasons.gaps),
            **measured,
        },
        records=compare_records(comparisons, timed),
        highlights=tuple(_highlights(answer)),
        pictures=lambda: _pictures(answer),
        first=None if full else _first(answer),
    )


def _pictures(answer: Compared) -> tuple[Picture, ...]:
    # only a format that draws needs them
    from ucseg_cli.report.answers.choose.compare_pictures import compare_pictures

    return compare_pictures(answer)


def _labels(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Each model's name in headings, and the long names behind numbers."""
    short = column_names(names)
    long = [name for name in short if len(short[name]) > LONGEST_LABEL]
    legend = {f"[{number}]": name for number, name in enumerate(long, 1)}
    short.update((name, number) for number, name in legend.items())
    return [short[name] for name in names], legend


def _notes(answer: Compared) -> Iterator[str]:
    """On a checkpoint, and which command shows the reasons that this one has no room for."""
    for comparison in answer.comparisons:
        yield from loading_notes(comparison)
    if answer.training is not None:
        from ucseg_cli.report.answers.choose.compare_steps import compared_step_notes

        yield from compared_step_notes(answer, answer.training)
    if answer.timed is not None:
        from ucseg_cli.report.parts.timed.timing_notes import timing_notes

        yield from timing_notes(answer.timed)
    if answer.is_pair:
        yield from gap_notes(answer.comparisons[0].axes, answer.reasons)
    baseline, *others = answer.comparisons[0].baseline.name, answer.comparisons[-1].model.name
    if not answer.is_pair and any(model.axes for model in answer.comparisons):
        yield f"Reasons are shown for two models at a time: `ucseg compare {baseline} {others[0]}`."


def _highlights(answer: Compared) -> Iterator[Highlight]:
    for model, name in zip(answer.comparisons, answer.labels[1:], strict=True):
        for metric in answer.that_matter[:2]:
            delta = model.totals[metric]
            change = None if isinstance(delta.change, str) else delta.change
            if delta.known:
                known = EVERY_METRIC[metric]
                unit = Unit.BYTES if known.in_bytes else Unit.COUNT
                title = f"{known.title}, {name}"
                yield Highlight(title, delta.after or 0, unit, change, delta.before)


def _first(answer: Compared) -> First:
    """The tables with something that changed, and a sentence on all the rest."""
    tables = [table for table in _tables(answer, first=True) if _has_data(table)]
    return First(tuple(tables), f"{_unchanged_things(answer)} {_also_changed(answer)}".rstrip())


def _has_data(table: Table) -> bool:
    return any(row.role is Role.DATA for row in table.rows)


def _unchanged_things(answer: Compared) -> str:
    models = answer.comparisons
    metrics = [metric for metric in answer.metrics if not answer.is_changed(metric)]
    axes = unchanged_axes(models) if have_axes(models) else 0
    modules = [
        deltas
        for deltas in align(models).values()
        if all(delta.status == "unchanged" for delta in deltas)
    ]
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


def _also_changed(answer: Compared) -> str:
    """All that changed and is not among the first tables."""
    metrics = [metric for metric in answer.metrics if answer.differs(metric)]
    more = [EVERY_METRIC[metric].title for metric in metrics if metric not in answer.that_matter]
    hidden = 0
    for comparison in answer.comparisons:
        every, shown = (findings(answer, comparison, first=first) for first in (False, True))
        hidden += len(every) - len(shown)
    if hidden:
        more.append(plural(hidden, "finding"))
    also = f"Also changed: {', '.join(more)}. " if more else ""
    return f"{also}`--full` shows all."


def _tables(answer: Compared, *, first: bool) -> Iterator[Table]:
    """All tables, or those to show *first*: short, with the metrics that matter side by side."""
    metrics = ["params", *([answer.convention.name] if answer.runs else [])]
    yield totals_table(answer, first=first)
    if answer.is_of_training:
        from ucseg_cli.report.answers.choose.compare_steps import step_tables

        yield from step_tables(answer)
    for comparison in answer.comparisons:
        yield from loading_tables(
            comparison, HANDFUL if first and answer.top is None else answer.top
        )
    if have_axes(answer.comparisons):
        yield from axes_tables(answer, answer.explained, first=first)
    for group in _groups(answer, metrics, first=first):
        yield modules_table(answer, group, HANDFUL if first else None)
    if any(comparison.settings for comparison in answer.comparisons):
        yield settings_table(answer, first=first)
    yield from taps_tables(answer, first=first)
    if answer.runs and not answer.is_of_training:
        yield lint_table(answer, first=first)


def _groups(answer: Compared, metrics: Sequence[str], *, first: bool) -> Sequence[Sequence[str]]:
    """Which metrics share a table of modules."""
    if not first or not answer.is_pair:
        return [[metric] for metric in metrics]
    modules = answer.comparisons[0].modules
    return [[metric for metric in metrics if is_changed_in(modules, [metric])] or metrics]
