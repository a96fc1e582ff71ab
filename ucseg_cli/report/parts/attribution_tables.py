"""Why two variants differ: each changed axis with its effect, as a table that is a waterfall, and in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ucseg_cli.analysis.comparing.attribution import Attribution, Effect, Interaction
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.references.variants import Change
from ucseg_cli.report.document import Cell, Column, Kind, Role, Row, Span, Table, Unit
from ucseg_cli.units import exact_ratio, format_bytes, format_count

COLUMNS = (
    Column("axis", "axis", Kind.PATH),
    Column("change", "change", tier=3),
    Column("alone", "alone", Kind.EXACT_DELTA, tier=2),
    Column("last", "last", Kind.EXACT_DELTA, tier=2),
    Column("share", "share", Kind.EXACT_DELTA),
    Column("waterfall", "", Kind.SPAN, tier=1),
)
COLUMNS_NOTE = (
    "alone: the baseline with only this change; last: the model against itself without it; share: its effect averaged over "
    "all orders of the changes, which adds up to the difference."
)
MAX_SENTENCES = 2
"""Interactions told for each metric, the strongest."""


def attribution_tables(
    attributions: Sequence[Attribution], changes: Sequence[Change], baseline: str, model: str
) -> list[Table]:
    """A waterfall for each metric that differs: from the baseline's value, axis by axis, to the model's."""
    by_axis = {change.axis.name: change for change in changes}
    tables = [
        Table(
            key=f"attribution.{each.metric}",
            title=f"Why {METRICS[each.metric].title} differ",
            columns=COLUMNS,
            rows=tuple(_rows(each, by_axis, baseline, model)),
            note=_note(each, by_axis),
        )
        for each in attributions
        if each.before != each.after or any(effect.alone or effect.last for effect in each.effects)
    ]
    return [_explained(tables[0]), *tables[1:]] if tables and len(by_axis) > 1 else tables


def _explained(table: Table) -> Table:
    """The first of several tables says what its columns are."""
    return table._replace(note=f"{table.note} {COLUMNS_NOTE}" if table.note else COLUMNS_NOTE)


def attribution_payload(attributions: Sequence[Attribution]) -> list[dict[str, Any]]:
    """The same in raw integers; a share is a numerator and a denominator, and ``rounded`` adds up to the delta."""
    return [
        {
            "metric": each.metric,
            "before": each.before,
            "after": each.after,
            "delta": each.after - each.before,
            "over_all_orders": each.over_all_orders,
            "effects": [
                {
                    "axis": effect.axis,
                    "alone": effect.alone,
                    "last": effect.last,
                    "share": {
                        "numerator": effect.share.numerator,
                        "denominator": effect.share.denominator,
                    },
                    "rounded": effect.rounded,
                }
                for effect in each.effects
            ],
            "interactions": [pair._asdict() for pair in each.interactions],
        }
        for each in attributions
    ]


def _rows(
    each: Attribution, by_axis: Mapping[str, Change], baseline: str, model: str
) -> Iterator[Row]:
    unit = Unit.BYTES if METRICS[each.metric].in_bytes else Unit.COUNT
    ordered = _in_order(each)
    steps = list(_running(each.before, ordered))
    scale = max(each.before, each.after, *steps)
    yield Row((baseline, "", "", "", "", _span(0, each.before, scale)), role=Role.FOLDED, unit=unit)
    for effect, begin, end in zip(ordered, steps, steps[1:], strict=False):
        change = by_axis[effect.axis]
        described = f"{change.axis.show(change.before)} → {change.axis.show(change.after)}"
        span = _span(begin, end, scale) if begin != end else ""
        yield Row(
            (effect.axis, described, effect.alone, effect.last, effect.rounded, span), unit=unit
        )
    total = each.after - each.before
    yield Row((model, "", "", "", total, _span(0, each.after, scale)), role=Role.TOTAL, unit=unit)


def _in_order(each: Attribution) -> list[Effect]:
    """The largest share first; where that would lead below nothing, which no scale shows, what adds before what takes."""
    ordered = sorted(each.effects, key=lambda effect: -abs(effect.share))
    if min(_running(each.before, ordered)) < 0:
        ordered.sort(key=lambda effect: effect.share < 0)
    return ordered


def _running(before: int, effects: Sequence[Effect]) -> Iterator[int]:
    yield before
    for effect in effects:
        before += effect.rounded
        yield before


def _span(begin: int, end: int, scale: int) -> Cell:
    return Span(exact_ratio(begin, scale) or Fraction(), exact_ratio(end, scale) or Fraction())


def _note(each: Attribution, by_axis: Mapping[str, Change]) -> str | None:
    sentences = [_sentence(each, pair, by_axis) for pair in each.interactions[:MAX_SENTENCES]]
    if not each.over_all_orders:
        sentences.append(
            "Too many axes differ for all orders: shares are marginals in the order of the axes."
        )
    return " ".join(sentences) or None


def _sentence(each: Attribution, pair: Interaction, by_axis: Mapping[str, Change]) -> str:
    write = format_bytes if METRICS[each.metric].in_bytes else format_count
    axis, other = by_axis[pair.axis], by_axis[pair.other]
    before, after = other.axis.show(other.before), other.axis.show(other.after)
    return (
        f"{axis.axis.name} {axis.axis.show(axis.before)} → {axis.axis.show(axis.after)} is "
        f"{write(pair.without, exact=True, signed=True)} with {other.axis.name} {before}, "
        f"{write(pair.with_it, exact=True, signed=True)} with {after}."
    )
