"""Why two variants differ: each changed axis with its effects, as waterfalls, and in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

from ucseg_cli.analysis.comparing.attribution import (
    Attribution,
    Effect,
    Gap,
    Interaction,
    Reasons,
)
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.references.variants import Change
from ucseg_cli.report.document import Cell, Column, Kind, Role, Row, Span, Table, Unit
from ucseg_cli.units import exact_ratio, format_bytes, format_count, plural

ALONE = "the effect of making only this change"
LAST = "of making it after all others"
OVER_ALL_ORDERS = "the average over all orders (Shapley); these add up"
IN_ONE_ORDER = "the effect of making the changes one by one, in this order; these add up"
MAX_SENTENCES = 2
"""Interactions reported for each metric, the strongest."""


def axes_table(
    changes: Sequence[Change], attributions: Sequence[Attribution], unchanged: int, *, first: bool
) -> Table:
    """The changed axes; *first* with what each adds to the metrics, those of *attributions*."""
    relevant = [attribution for attribution in attributions if _has_effects(attribution)]
    changes = _in_order(changes, attributions)
    several = any(len(attribution.effects) > 1 for attribution in relevant)
    columns = [Column("axis", "axis", Kind.PATH), Column("change", "change", tier=1)]
    rows: list[list[Cell]] = [[change.axis.name, _values(change)] for change in changes]
    total: list[Cell] = ["total", ""]
    for attribution in relevant if first else ():
        in_bytes = EVERY_METRIC[attribution.metric].in_bytes
        kind = Kind.BYTES_DELTA if in_bytes else Kind.DELTA
        columns.append(Column(attribution.metric, f"Δ {attribution.metric}", kind))
        if several:
            legend = ALONE if attribution is relevant[0] else ""  # one is enough
            key = f"{attribution.metric}.alone"
            columns.append(Column(key, "alone", kind, legend=legend))
        shown = 2 if several else 1
        for cells, effect in zip(rows, _effects(attribution, changes), strict=True):
            figures = (effect.rounded, effect.alone) if effect else (None, None)
            cells.extend(figures[:shown])
        total.extend((attribution.after - attribution.before, "")[:shown])
    table_rows = [Row(tuple(row)) for row in rows]
    if first and several:
        table_rows.append(Row(tuple(total), role=Role.TOTAL))
    note = f"{plural(unchanged, 'axis', 'axes')} unchanged" if unchanged else None
    if first:
        note = f"Δ: {share_legend(relevant)}." if several else None
    return Table("axes", "Axes", tuple(columns), tuple(table_rows), note, news=True)


def waterfalls(
    changes: Sequence[Change], attributions: Sequence[Attribution], baseline: str, model: str
) -> Iterator[Table]:
    """For each metric that several axes change, the way from the baseline's value to the model's.

    A single axis needs none: the whole difference is its effect.
    """
    relevant = [attribution for attribution in attributions if len(attribution.effects) > 1]
    share = share_legend(relevant)
    columns: tuple[Column, ...] = (
        Column("axis", "axis", Kind.PATH),
        Column("share", "share", Kind.EXACT_DELTA, legend=share),
        Column("alone", "alone", Kind.EXACT_DELTA, legend=ALONE),
        Column("last", "last", Kind.EXACT_DELTA, legend=LAST),
        Column("waterfall", "", Kind.SPAN, tier=3),
    )
    for attribution in filter(_has_effects, relevant):
        metric = EVERY_METRIC[attribution.metric]
        unit = Unit.BYTES if metric.in_bytes else Unit.COUNT
        rows = tuple(
            Row(cells, role=role, unit=unit) for cells, role in _steps(attribution, baseline, model)
        )
        strongest = attribution.interactions[:MAX_SENTENCES]
        note = " ".join(_interaction(attribution, pair, changes) for pair in strongest)
        verb = "differ" if metric.is_plural else "differs"
        title = f"Why {metric.title} {verb}"
        yield Table(f"attribution.{metric.name}", title, columns, rows, note)
        columns = tuple(column._replace(legend="") for column in columns)  # one is enough


def _has_effects(attribution: Attribution) -> bool:
    return any(effect.alone or effect.last or effect.rounded for effect in attribution.effects)


def _in_order(changes: Sequence[Change], attributions: Sequence[Attribution]) -> Sequence[Change]:
    """In the order in which the changes are made, if shares depend on it."""
    if not attributions or attributions[0].over_all_orders:
        return changes
    order = [effect.axis for effect in attributions[0].effects]
    return sorted(changes, key=lambda change: [*order, change.axis.name].index(change.axis.name))


def gap_notes(changes: Sequence[Change], reasons: Reasons) -> Iterator[str]:
    """Which models between two have no figures, and what the shares are instead."""
    if not reasons.gaps:
        return
    by_axis = {change.axis.name: change for change in changes}
    first, *more = reasons.gaps
    taken = " and ".join(str(by_axis[name]) for name in by_axis if name in first.taken)
    gap = f"With only {taken} changed, {first.reason}."
    if more:
        gap += f" {plural(len(more), 'other variant')} between failed, too."
    if not reasons.attributions:
        yield f"{gap} So the axes have no shares: no order of the changes works at each step."
        return
    order = ", ".join(effect.axis for effect in reasons.attributions[0].effects)
    yield f"{gap} So shares are the effects of making the changes in this order: {order}."


def gaps_payload(gaps: Sequence[Gap]) -> list[dict[str, Any]]:
    """The same for scripts."""
    return [{"changed": sorted(gap.taken), "reason": gap.reason} for gap in gaps]


def _effects(attribution: Attribution, changes: Sequence[Change]) -> Iterator[Effect | None]:
    """The effect of each change: 0 of an axis on which no count depends.

    None of one that no argument sets: its default changed with the code.
    """
    known = {effect.axis: effect for effect in attribution.effects}
    for change in changes:
        uncounted = Effect(change.axis.name, 0, 0, Fraction(), 0)
        yield known.get(change.axis.name, None if change.axis.counted else uncounted)


def share_legend(attributions: Sequence[Attribution]) -> str:
    """The meaning of shares."""
    complete = all(attribution.over_all_orders for attribution in attributions)
    return OVER_ALL_ORDERS if complete else IN_ONE_ORDER


def _values(change: Change) -> str:
    return f"{change.axis.show(change.before)} → {change.axis.show(change.after)}"


def _steps(
    attribution: Attribution, baseline: str, model: str
) -> Iterator[tuple[tuple[Cell, ...], Role]]:
    """The cells of a waterfall, the largest share first unless shares depend on the order."""
    effects = ordered_effects(attribution)
    values = values_between(attribution, effects)
    # taken in this order, shares may lead below nothing: then the scale begins there
    lowest, highest = min(0, *values), max(values)

    def place(value: int) -> Fraction:
        return exact_ratio(value - lowest, highest - lowest) or Fraction()

    yield (baseline, "", "", "", Span(Fraction(), place(attribution.before))), Role.FOLDED
    for effect, (begin, end) in zip(effects, pairwise(values), strict=True):
        span = Span(place(begin), place(end)) if begin != end else ""
        yield (effect.axis, effect.rounded, effect.alone, effect.last, span), Role.DATA
    total = attribution.after - attribution.before
    yield (model, total, "", "", Span(Fraction(), place(attribution.after))), Role.TOTAL


def ordered_effects(attribution: Attribution) -> list[Effect]:
    """The largest share first, unless shares depend on the order."""
    effects = list(attribution.effects)
    if attribution.over_all_orders:
        effects.sort(key=lambda effect: -abs(effect.share))
    return effects


def values_between(attribution: Attribution, effects: Sequence[Effect]) -> list[int]:
    """The value before the first of *effects* and after each of them."""
    return [*accumulate((effect.rounded for effect in effects), initial=attribution.before)]


def _interaction(attribution: Attribution, pair: Interaction, changes: Sequence[Change]) -> str:
    """How much more or less an axis does once another has changed too."""
    write = format_bytes if EVERY_METRIC[attribution.metric].in_bytes else format_count
    by_axis = {change.axis.name: change for change in changes}
    other = by_axis[pair.other]
    before, after = other.axis.show(other.before), other.axis.show(other.after)
    without, with_it = (write(n, exact=True, signed=True) for n in (pair.without, pair.with_it))
    return f"{by_axis[pair.axis]} is {without} with {pair.other} {before}, {with_it} with {after}."


def attribution_payload(attributions: Sequence[Attribution]) -> list[dict[str, Any]]:
    """The same in raw integers; ``rounded`` adds up to the delta, a share is an exact fraction."""
    return [
        {
            "metric": attribution.metric,
            "before": attribution.before,
            "after": attribution.after,
            "delta": attribution.after - attribution.before,
            "over_all_orders": attribution.over_all_orders,
            "effects": [_effect(effect) for effect in attribution.effects],
            "interactions": [pair._asdict() for pair in attribution.interactions],
        }
        for attribution in attributions
    ]


def _effect(effect: Effect) -> dict[str, Any]:
    numerator, denominator = effect.share.as_integer_ratio()
    share = {"numerator": numerator, "denominator": denominator}
    return {**effect._asdict(), "share": share}
