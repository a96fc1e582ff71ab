"""From the figures of a space to the answer: limits, front, effects and all else that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeGuard

from ucseg_cli.analysis.space.effects import axis_effects
from ucseg_cli.analysis.space.expression import Formula, evaluate
from ucseg_cli.analysis.space.front import Costs, pareto_front
from ucseg_cli.analysis.space.front_steps import front_steps
from ucseg_cli.analysis.space.limits import judge_limits, least_violation
from ucseg_cli.analysis.space.nearest import change_counts, nearest_variants
from ucseg_cli.analysis.space.sweep_answer import (
    AxisEffect,
    Column,
    FrontPoint,
    Limit,
    Number,
    Objective,
    Quantity,
    Range,
    Ranking,
    Scores,
    SweepAnswer,
)
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.swept import Swept
from ucseg_cli.references.space import Space


class Wanted(NamedTuple):
    """All that a user asks of a space.

    *names* are the labels of what a formula calls by other names; *nearest* is whether the variants
    with the fewest changes are asked for.
    """

    quantities: tuple[Quantity, ...]
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()
    formula: Formula | None = None
    names: Mapping[str, str] = {}
    nearest: bool = False


def conclude_sweep(
    space: Space,
    conditions: Conditions,
    wanted: Wanted,
    swept: Swept,
    base: Mapping[str, Number | None],
    scores: Scores | None = None,
) -> SweepAnswer:
    """The answer about a space that has been measured; *base* has the figures of its base."""
    every = {**swept.columns, **(scores.columns if scores else {})}
    columns = {quantity.label: every[quantity.label] for quantity in wanted.quantities}
    judged = judge_limits(wanted.limits, columns, space.size, swept.reasons)
    front = find_front(space, judged.feasible, wanted.objectives, columns)
    first = wanted.objectives[0].label
    objectives = {objective.label for objective in wanted.objectives}
    explained = {label: swept.columns[label] for label in swept.columns if label in objectives}
    fits = judged.fitting > 0
    effects = axis_effects(space, columns)
    return SweepAnswer(
        space=space,
        conditions=conditions,
        quantities=wanted.quantities,
        swept=swept,
        base=base,
        ranges=tuple(_range(label, column, base) for label, column in columns.items()),
        tallies=judged.tallies,
        feasible=judged.feasible,
        fitting=judged.fitting,
        objectives=wanted.objectives,
        front=front,
        effects=effects,
        steps=front_steps(space, front, explained),
        nearest=(
            nearest_variants(space, judged.feasible, columns[first], base.get(first))
            if wanted.nearest
            else None
        ),
        least=(
            None
            if fits or not wanted.limits
            else least_violation(wanted.limits, columns, space.size, swept.reasons)
        ),
        scores=scores,
        ranking=wanted.formula and rank(wanted.formula, wanted.names, every, judged.feasible),
        notes=(*_idle(effects), *_missing(judged.feasible, wanted, columns)),
    )


def find_front(
    space: Space,
    feasible: Sequence[int],
    objectives: Sequence[Objective],
    columns: Mapping[str, Column],
) -> tuple[FrontPoint, ...]:
    """The front of the variants that are *feasible* and have a figure of each objective."""
    groups: dict[Costs, list[int]] = {}
    for variant, costs in enumerate(_costs(objectives, columns)):
        if feasible[variant] and _is_known(costs):
            groups.setdefault(costs, []).append(variant)
    counts = change_counts(space)
    return tuple(_front_point(groups[costs], counts) for costs in pareto_front(groups))


def rank(
    formula: Formula,
    names: Mapping[str, str],
    columns: Mapping[str, Column],
    feasible: Sequence[int],
) -> Ranking:
    """The value of a formula for each variant, and the feasible ones by it, the highest first."""
    words = [named.text for named in formula.names]
    scores: list[float | None] = []
    reasons: Counter[str] = Counter()
    for figures in zip(*(columns[names[word]] for word in words), strict=True):
        value, reason = evaluate(formula, dict(zip(words, figures, strict=True)))
        scores.append(value)
        if reason is not None:
            reasons[reason] += 1
    known = {
        variant: score
        for variant, score in enumerate(scores)
        if score is not None and feasible[variant]
    }
    order = sorted(known, key=lambda variant: (-known[variant], variant))
    return Ranking(formula.text, scores, order, dict(reasons))


def _costs(
    objectives: Sequence[Objective], columns: Mapping[str, Column]
) -> Iterator[tuple[Number | None, ...]]:
    """The costs of each variant, of which less is better."""
    chosen = []
    for objective in objectives:
        column = columns[objective.label]
        chosen.append(_negated(column) if objective.maximize else column)
    return zip(*chosen, strict=True)


def _is_known(figures: tuple[Number | None, ...]) -> TypeGuard[Costs]:
    return None not in figures


def _negated(column: Column) -> Column:
    return [None if figure is None else -figure for figure in column]


def _front_point(variants: Sequence[int], counts: Sequence[int]) -> FrontPoint:
    """The variants of equal costs, named by the one with the fewest changes."""
    chosen = min(variants, key=lambda variant: (counts[variant], variant))
    return FrontPoint(chosen, tuple(variant for variant in variants if variant != chosen))


def _range(label: str, column: Column, base: Mapping[str, Number | None]) -> Range:
    known = [figure for figure in column if figure is not None]
    if not known:
        return Range(label, None, base.get(label), None, None, None, 0)
    smallest, largest = min(known), max(known)
    at = column.index(smallest), column.index(largest)
    return Range(label, smallest, base.get(label), largest, *at, len(known))


def _idle(effects: Iterable[AxisEffect]) -> Iterator[str]:
    """A sentence for each axis that changes nothing."""
    changes: dict[str, bool] = {}
    for effect in effects:
        is_known = effect.smallest is not None
        has_effect = bool(effect.smallest or effect.largest)
        if is_known:
            changes[effect.axis] = changes.get(effect.axis, False) or has_effect
    for axis, has_effect in changes.items():
        if not has_effect:
            yield f"The axis {axis} changes none of these figures."


def _missing(
    feasible: Sequence[int],
    wanted: Wanted,
    columns: Mapping[str, Column],
) -> Iterator[str]:
    """A sentence for each objective that variants have no figure of, since they are left out."""
    titles = {quantity.label: quantity.title for quantity in wanted.quantities}
    for objective in wanted.objectives:
        column = columns[objective.label]
        missing = sum(
            bool(fits) and figure is None for fits, figure in zip(feasible, column, strict=True)
        )
        if missing:
            verb = "variant has" if missing == 1 else "variants have"
            yield f"{missing:,} {verb} no {titles[objective.label]}, and cannot be on the front."
