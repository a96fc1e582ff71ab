"""The tables of a sweep: limits, the front, the nearest, ranges, effects and reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.analysis.space.front_steps import explain_step
from ucseg_cli.analysis.space.sweep_answer import (
    AxisEffect,
    FrontPoint,
    LimitTally,
    Quantity,
    SweepAnswer,
)
from ucseg_cli.report.answers.choose.swept.sweep_figures import (
    effect_kind,
    figure_kind,
    figure_text,
    mean_cell,
    trade,
)
from ucseg_cli.report.document import Cell, Column, Kind, Row, Table, Unit
from ucseg_cli.report.fields import Field, Fields, make_table
from ucseg_cli.report.pictures.scatter import Panels, Scatter
from ucseg_cli.units import exact_ratio, plural

WITHIN = "within"


class Room(NamedTuple):
    """How much is shown: *rows* of variants, and which quantities."""

    rows: int
    quantities: Sequence[Quantity]


def objective_quantities(answer: SweepAnswer) -> list[Quantity]:
    """The objectives, and after them what has a limit."""
    quantities = {quantity.label: quantity for quantity in answer.quantities}
    labels = [objective.label for objective in answer.objectives]
    labels += [limit.label for limit in answer.limits]
    return [quantities[label] for label in dict.fromkeys(labels)]


def every_quantity(answer: SweepAnswer) -> list[Quantity]:
    """All of them, objectives first."""
    first = objective_quantities(answer)
    return [*first, *(one for one in answer.quantities if one not in first)]


def shortened(answer: SweepAnswer, variant: int) -> str:
    """The changes from the base, in parts between which a line may break; the base by its name."""
    digits = answer.space.digits_at(variant)
    pairs = zip(answer.space.axes, digits, strict=True)
    changes = [axis.changes[digit] for axis, digit in pairs]
    return " ".join(filter(None, changes)) or answer.space.base.name


def limits_table(answer: SweepAnswer) -> Table:
    """Each limit with how many variants meet it, and the one that excludes the most variants."""
    size = answer.space.size
    most = max(tally.alone for tally in answer.tallies)

    def binds(tally: LimitTally) -> str:
        return "binds" if tally.alone == most > 0 and len(answer.tallies) > 1 else ""

    fields: Fields[LimitTally] = (
        Field("limit", "limit", lambda tally: tally.limit.shown),
        Field("budget", "budget", lambda tally: tally.limit.budget, tier=2),
        Field("met", "met by", lambda tally: tally.met, Kind.EXACT),
        Field("share", "", lambda tally: exact_ratio(tally.met, size), Kind.SHARE, 1),
        Field(
            "alone",
            "fail only this",
            lambda tally: tally.alone,
            Kind.EXACT,
            legend="variants that would fit without this limit",
        ),
        Field("binds", "", binds),
    )
    has_budgets = any(tally.limit.budget for tally in answer.tallies)
    several = len(answer.tallies) > 1
    wanted = {"budget": has_budgets, "alone": several, "binds": several}
    shown = [field for field in fields if wanted.get(field.key, True)]
    return make_table("limits", how_many_fit(answer), shown, answer.tallies)


def how_many_fit(answer: SweepAnswer) -> str:
    """``4 of 16 variants fit``."""
    size = answer.space.size
    verb = "fits" if 1 in {answer.fitting, size} else "fit"
    return f"{answer.fitting:,} of {plural(size, 'variant')} {verb}"


def closest_table(answer: SweepAnswer, picture: Scatter | None) -> Table | None:
    """How far the variant that comes nearest to fitting is from each limit, where none fits."""
    if (least := answer.least) is None:
        return None
    quantities = {quantity.label: quantity for quantity in answer.quantities}
    rows = []
    excess: Fraction | str | None
    for limit in answer.limits:
        figure = answer.figure(limit.label, least.variant)
        text = None if figure is None else figure_text(quantities[limit.label], figure)
        excess = None if figure is None else limit.excess(figure)
        if excess is not None and excess <= 0:
            excess = WITHIN
        rows.append(Row((limit.shown, text, excess)))
    columns = (
        Column("limit", "limit"),
        Column("figure", "figure"),
        Column("excess", "beyond it by", Kind.RATIO),
    )
    title = f"Closest to fitting: {answer.space.reference_at(least.variant)}"
    return Table("closest", title, columns, tuple(rows), picture=picture)


def front_table(answer: SweepAnswer, room: Room, picture: Scatter | None) -> Table:
    """The front, its picture above it; of a long one variants at even distances along it."""
    shown = spread(answer.front, room.rows)
    places = {point: place for place, point in enumerate(answer.front, 1)}
    has_equals = any(point.equals for point in shown)
    columns = [
        Column("place", "#", Kind.EXACT),
        Column("reference", "variant", Kind.PROSE),
        *_figure_columns(answer, room.quantities),
    ]
    if has_equals:
        legend = "other variants with the same objectives"
        columns.append(Column("equals", "as good", Kind.EXACT, 2, legend))
    rows = []
    for point in shown:
        cells = [places[point], shortened(answer, point.variant), *_figures(answer, point, room)]
        rows.append(Row((*cells, *([len(point.equals)] if has_equals else []))))
    title = f"Front: {len(answer.front):,} of {plural(answer.fitting, 'variant')}"
    rest = len(answer.front) - len(shown)
    note = f"{rest:,} more along the front: --top {len(answer.front)} shows all." if rest else None
    return Table(
        "front",
        f"{title}, {_goals(answer)}",
        tuple(columns),
        tuple(rows),
        note,
        picture=picture,
    )


def _goals(answer: SweepAnswer) -> str:
    """``least parameters, FLOPs (fvcore); most receptive field``."""
    goals = {"least": False, "most": True}
    titles = {quantity.label: quantity.title for quantity in answer.quantities}
    named = {
        word: ", ".join(titles[one.label] for one in answer.objectives if one.maximize == maximize)
        for word, maximize in goals.items()
    }
    return "; ".join(f"{word} {labels}" for word, labels in named.items() if labels)


def spread(front: Sequence[FrontPoint], count: int) -> list[FrontPoint]:
    """At most *count* points at even distances, the first and the last among them."""
    if len(front) <= count:
        return list(front)
    last = len(front) - 1
    places = [round(Fraction(last * step, max(count - 1, 1))) for step in range(count)]
    return [front[place] for place in places]


def nearest_table(answer: SweepAnswer, room: Room) -> Table | None:
    """The variants that fit with the fewest changes of the base."""
    if not answer.nearest:
        return None
    shown = answer.nearest[: room.rows]
    first = room.quantities[0]
    columns = (
        Column("reference", "variant", Kind.PROSE),
        Column("changes", "changes", Kind.EXACT, 1),
        Column("delta", f"Δ {first.heading}", effect_kind(first), 2),
        *_figure_columns(answer, room.quantities),
    )
    rows = [
        Row(
            (
                shortened(answer, one.variant),
                len(one.axes),
                one.change,
                *(answer.figure(quantity.label, one.variant) for quantity in room.quantities),
            )
        )
        for one in shown
    ]
    rest = len(answer.nearest) - len(shown)
    note = f"{rest:,} more with as few changes: --top {len(answer.nearest)}." if rest else None
    title = f"Nearest to {answer.space.base.name} that fit"
    return Table("nearest", title, columns, tuple(rows), note)


def ranking_table(answer: SweepAnswer, room: Room) -> Table | None:
    """The best variants by the formula."""
    if (ranking := answer.ranking) is None:
        return None
    columns = (
        Column("reference", "variant", Kind.PROSE),
        Column("score", "score", Kind.DECIMAL),
        *_figure_columns(answer, room.quantities),
    )
    rows = []
    for variant in ranking.order[: room.rows]:
        score = ranking.scores[variant]
        figures = (answer.figure(quantity.label, variant) for quantity in room.quantities)
        exact = None if score is None else Fraction(score)
        rows.append(Row((shortened(answer, variant), exact, *figures)))
    rest = len(ranking.order) - len(rows)
    notes = [f"{rest:,} more: --top {len(ranking.order)}."] if rest > 0 else []
    notes += [
        f"{plural(count, 'variant')} without a score: {reason}."
        for reason, count in ranking.reasons.items()
    ]
    title = f"Highest {ranking.formula}"
    return Table("ranking", title, columns, tuple(rows), " ".join(notes) or None)


def ranges_table(answer: SweepAnswer, room: Room) -> Table:
    """The extremes of each quantity, and the figure of the base."""
    by_label = {one.label: one for one in answer.ranges}
    columns = (
        Column("metric", "metric"),
        Column("smallest", "smallest", Kind.QUANTITY),
        Column("base", answer.space.base.name, Kind.QUANTITY),
        Column("largest", "largest", Kind.QUANTITY),
    )
    rows = []
    for quantity in room.quantities:
        found = by_label[quantity.label]
        figures: Sequence[Cell] = (found.smallest, found.base, found.largest)
        if quantity.measure is None:  # a row of words, since the column has integers
            figures = [
                None if figure is None else figure_text(quantity, figure)
                for figure in (found.smallest, found.base, found.largest)
            ]
        unit = Unit.BYTES if quantity.in_bytes else Unit.COUNT
        rows.append(Row((quantity.title, *figures), unit=unit))
    return Table("ranges", "Range of all variants", columns, tuple(rows))


def effects_table(answer: SweepAnswer, room: Room, panels: Panels | None) -> Table | None:
    """The effect of one step along each axis, by quantity, that of the largest mean first."""
    if answer.space.size == 1:
        return None
    steps = {axis.name: _few(axis.texts) for axis in answer.space.axes}
    columns = (
        Column("metric", "metric"),
        Column("axis", "axis"),
        Column("values", "one step along", Kind.PROSE, 2),
        Column("mean", "mean", Kind.EFFECT),
        Column("smallest", "smallest", Kind.EFFECT, 1),
        Column("largest", "largest", Kind.EFFECT, 1),
    )
    rows: list[Row] = []
    for quantity in room.quantities:
        own = [one for one in answer.effects if one.label == quantity.label and _matters(one)]
        own.sort(key=lambda one: abs(one.mean or Fraction()), reverse=True)
        for one in own[: room.rows]:
            cells = mean_cell(one.mean, quantity), one.smallest, one.largest
            unit = Unit.BYTES if quantity.in_bytes else Unit.COUNT
            rows.append(Row((quantity.heading, one.axis, steps[one.axis], *cells), unit=unit))
    varied = sum(len(axis.values) > 1 for axis in answer.space.axes)
    left_out = varied * len(room.quantities) - len(rows)
    rest = f"; {plural(left_out, 'smaller effect')} left out" if left_out else ""
    note = f"Over all pairs of variants that differ in this step alone{rest}."
    return Table(
        "effects", "Effect of one step along an axis", columns, tuple(rows), note, picture=panels
    )


def _matters(effect: AxisEffect) -> bool:
    return bool(effect.smallest or effect.largest)


def why_table(answer: SweepAnswer, room: Room) -> Table | None:
    """The axes that differ between neighbours of the front as it is shown, and what each costs."""
    shown = spread(answer.front, room.rows)
    if not shown[1:]:
        return None
    explained = trade(answer, [one for one in room.quantities if one.measure is not None])
    columns = {one.label: answer.swept.columns[one.label] for one in explained}
    places = {point: place for place, point in enumerate(answer.front, 1)}
    rows = []
    for before, after in pairwise(shown):
        step = explain_step(answer.space, before.variant, after.variant, columns)
        why = _reasons(answer, before.variant, after.variant, step.attributions, explained)
        rows.append(Row((f"{places[before]} → {places[after]}", why)))
    titles = (Column("step", "#"), Column("why", "what changes, and what that costs", Kind.PROSE))
    return Table("steps", "Why along the front", titles, tuple(rows))


def failed_table(answer: SweepAnswer, rows: int) -> Table | None:
    """The reasons for which variants have no figures, the most frequent first, with an example."""
    reasons = answer.swept.reasons
    if not reasons:
        return None
    counts = Counter(reasons.values())
    first = {reason: variant for variant, reason in reversed(list(reasons.items()))}
    columns = (
        Column("count", "variants", Kind.EXACT),
        Column("reason", "reason", Kind.PROSE),
        Column("example", "such as", Kind.PROSE, 1),
    )
    shown = counts.most_common(rows)
    lines = tuple(Row((count, reason, shortened(answer, first[reason]))) for reason, count in shown)
    rest = len(counts) - len(shown)
    note = f"{plural(rest, 'other reason')}: --format csv has all." if rest else None
    title = f"{plural(len(reasons), 'variant')} cannot be built or run"
    return Table("failed", title, columns, lines, note)


def _figure_columns(answer: SweepAnswer, quantities: Sequence[Quantity]) -> Iterator[Column]:
    """A column for each quantity; the two objectives of the picture are never dropped."""
    objectives = {objective.label for objective in answer.objectives[:3]}
    kept = trade(answer, quantities[: len(answer.objectives)])
    for quantity in quantities:
        tier = 0 if quantity in kept else 1 if quantity.label in objectives else 2
        yield Column(quantity.label, quantity.heading, figure_kind(quantity), tier)


def _figures(answer: SweepAnswer, point: FrontPoint, room: Room) -> Iterator[Cell]:
    return (answer.figure(quantity.label, point.variant) for quantity in room.quantities)


MOST_VALUES = 4


def _few(texts: Sequence[str]) -> str:
    """The values from the first to the last; of many the first two and the last."""
    shown = [*texts[:2], "…", texts[-1]] if len(texts) > MOST_VALUES else texts
    return " → ".join(shown)


def _reasons(
    answer: SweepAnswer,
    before: int,
    after: int,
    attributions: Sequence[Attribution],
    quantities: Sequence[Quantity],
) -> str:
    """``backbone 9 → 10: +101k parameters, +2.96M FLOPs (fvcore); …``, the largest first."""
    by_label = {quantity.label: quantity for quantity in quantities}
    effects: dict[str, list[str]] = {}
    for attribution in attributions:
        ranked = sorted(attribution.effects, key=lambda effect: -abs(effect.share))
        for effect in ranked:
            quantity = by_label[attribution.metric]
            text = figure_text(quantity, effect.rounded, signed=True)
            words = f"{text} {quantity.title}" if effect.rounded else ""
            effects.setdefault(effect.axis, []).append(words)
    changes = dict(_changes(answer, before, after))
    named = (
        f"{changes.pop(axis)}: {', '.join(filter(None, words)) or 'no difference'}"
        for axis, words in effects.items()
    )
    return "; ".join((*named, *changes.values()))


def _changes(answer: SweepAnswer, before: int, after: int) -> Iterator[tuple[str, str]]:
    space = answer.space
    rows = zip(space.axes, space.digits_at(before), space.digits_at(after), strict=True)
    for axis, old, new in rows:
        if old != new:
            yield axis.name, f"{axis.name} {axis.texts[old]} → {axis.texts[new]}"


def without_none(tables: Iterable[Table | None]) -> tuple[Table, ...]:
    """The tables that there are."""
    return tuple(table for table in tables if table is not None)
