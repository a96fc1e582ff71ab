"""The scatter of several compared models, each with its name, and budgets as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.space.front import pareto_front
from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.conditions import Size
from ucseg_cli.report.pictures.scatter import Bound, Dot, Mark, Scale, Scatter
from ucseg_cli.units import plural, write_quantity

ACROSS = "params"


def compared_scatter(
    figures: Mapping[str, Mapping[str, int]],
    up: str,
    budgets: Sequence[Budget],
    size: Size,
) -> tuple[Scatter, ...]:
    """Models by parameters and the metric *up*, the first one as the base.

    *figures* have the metrics of each model by its name. Budgets are drawn that limit one of these
    as a whole at this size; those against a baseline have no place of their own.
    """
    budgets = [one for one in budgets if any(model.name in figures for model in one.variants)]
    base_name, *others = figures
    points = {name: (own[ACROSS], own[up]) for name, own in figures.items()}
    front = set(pareto_front(points.values()))
    dots = tuple(
        Dot(*points[name], Mark.FRONT if points[name] in front else Mark.PLAIN, number)
        for number, name in enumerate(others)
    )
    scatter = Scatter(
        title=f"{METRICS[up].title} by {METRICS[ACROSS].title}",
        description=f"{plural(len(figures), 'model')}: {', '.join(figures)}.",
        across=Scale(METRICS[ACROSS].title, goal="less"),
        up=Scale(METRICS[up].title, goal="less"),
        dots=dots,
        base=Dot(*points[base_name], Mark.BASE),
        base_name=base_name,
        across_bounds=tuple(_bounds(budgets, ACROSS, size)),
        up_bounds=tuple(_bounds(budgets, up, size)),
        note="Coloured models are beaten by none in both; dashed lines are budgets at this size.",
        title_of=lambda dot: base_name if dot.mark is Mark.BASE else others[dot.variant],
        names=tuple(others),
    )
    return (scatter,)


def _bounds(budgets: Sequence[Budget], metric: str, size: Size) -> Iterator[Bound]:
    """The distinct limits on a whole network, the lowest first."""
    applying = (
        budget.max.limit(0)
        for budget in budgets
        if budget.metric == metric
        and budget.module is None
        and budget.dtype is None
        and budget.max is not None
        and not budget.max.against_baseline
        and (not budget.sizes or size in budget.sizes or metric == ACROSS)
    )
    for limit in sorted(set(applying)):
        yield Bound(limit, f"{metric} ≤ {write_quantity(limit, in_bytes=False)}")
