"""``ucseg compare --since`` without a model: what has changed in every configured one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import NamedTuple

from ucseg_cli.analysis.comparing.comparison import Delta
from ucseg_cli.analysis.comparing.model_since import ModelSince
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, TRAIN_MEMORY, totals
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Kind, Report, Table, Unit
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_records, make_row
from ucseg_cli.report.parts.compare_sentence import compare_sentence
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural


class _Figure(NamedTuple):
    """One metric of a model that is not as it was."""

    model: str
    status: str
    metric: str
    delta: Delta

    @property
    def change(self) -> Fraction | str | None:
        return self.delta.change


FIELDS: Fields[_Figure] = (
    Field("model", "model", attrgetter("model"), Kind.PATH),
    Field("status", "status", attrgetter("status"), output=Output.FILES),
    Field("metric", "metric", lambda row: EVERY_METRIC[row.metric].title, output=Output.SCREEN),
    Field("metric", "metric", attrgetter("metric"), output=Output.FILES),
    Field("before", "before", attrgetter("delta.before"), Kind.QUANTITY, 2),
    Field("after", "now", attrgetter("delta.after"), Kind.QUANTITY, 1),
    Field("delta", "Δ", attrgetter("delta.delta"), Kind.DELTA),
    Field("change", "Δ%", attrgetter("change"), Kind.CHANGE),
)


def since_report(
    models: Sequence[ModelSince], since: str, conditions: Conditions, convention: Convention
) -> Report:
    """Every figure that changed, the sentence of each model that did, and a tally."""
    figures = [row for model in models for row in _figures(model, convention)]
    columns = tuple(field.column for field in FIELDS if Output.SCREEN in field.output)
    units = {True: Unit.BYTES, False: Unit.COUNT}
    rows = tuple(
        make_row(FIELDS, figure, unit=units[EVERY_METRIC[figure.metric].in_bytes])
        for figure in figures
    )
    changed = [model for model in models if model.status != "unchanged"]
    return Report(
        kind="ucseg.since",
        title=f"compare --since {since}",
        conditions=shown_conditions([conditions], convention),
        tables=(Table("figures", "Changed", columns, rows),) if rows else (),
        summary=_summary(models, since),
        notes=tuple(_notes(changed, since, convention)),
        payload={
            "conditions": raw_conditions([conditions], convention),
            "since": since,
            "changed": len(changed),
            "models": [
                {
                    "model": model.name,
                    "status": model.status,
                    "failure": model.failure and model.failure.what,
                }
                for model in models
            ],
            "deltas": make_entries(FIELDS, figures),
        },
        records=make_records("deltas", FIELDS, figures),
    )


def _figures(model: ModelSince, convention: Convention) -> Iterator[_Figure]:
    metrics = ("params", convention.name, "peak-memory", TRAIN_MEMORY.name, "bytes")
    if model.new is not None:
        found = totals(model.new.trace)
        deltas = {metric: Delta(None, found[metric]) for metric in metrics if metric in found}
    elif model.comparison is not None:
        known = model.comparison.totals
        deltas = {metric: known[metric] for metric in metrics if metric in known}
        deltas = {metric: delta for metric, delta in deltas.items() if delta.delta}
    else:
        return
    for metric, delta in deltas.items():
        yield _Figure(model.name, model.status, metric, delta)


def _notes(changed: Sequence[ModelSince], since: str, convention: Convention) -> Iterator[str]:
    for model in changed:
        if model.comparison is not None:
            yield compare_sentence(model.comparison, convention)
        elif model.new is not None:
            yield f"{model.name} is new since {since}."
        elif model.failure is not None:
            where = f" ({model.failure.where})" if model.failure.where else ""
            yield f"{model.name} cannot be compared: {model.failure.what}{where}."


def _summary(models: Sequence[ModelSince], since: str) -> str:
    counted = [
        f"{sum(model.status == status for model in models)} {word}"
        for status, word in (("changed", "changed"), ("new", "new"), ("error", "unknown"))
        if any(model.status == status for model in models)
    ]
    whole = plural(len(models), "configured model")
    return f"Since {since}, {', '.join(counted) or 'nothing changed'} of {whole}."
