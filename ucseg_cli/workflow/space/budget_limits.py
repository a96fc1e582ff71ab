"""Budgets of the configuration as limits on a space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.analysis.space.benefits import figure_of
from ucseg_cli.analysis.space.sweep_answer import Limit
from ucseg_cli.errors import ConfigurationError, UsageError
from ucseg_cli.facts.budget import Bound, Budget
from ucseg_cli.facts.conditions import Conditions, make_conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.swept import Measure
from ucseg_cli.facts.training import Training
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import Reference
from ucseg_cli.units import write_quantity
from ucseg_cli.workflow.load_project import chosen_budgets
from ucseg_cli.workflow.measure import measure
from ucseg_cli.workflow.space.read_wishes import measure_of


class BudgetLimits(NamedTuple):
    """The limits, each with what it is a limit on, and sentences on budgets that are left out."""

    limits: tuple[tuple[Measure, Limit], ...] = ()
    notes: tuple[str, ...] = ()


def budget_limits(
    base: Reference,
    conditions: Conditions,
    settings: Settings,
    step: Training | None = None,
    *,
    cache: Cache | None,
) -> BudgetLimits:
    """The maxima of the budgets about the base, on their own inputs, else on that of the command.

    Metrics of training are of the *step* of the sweep. Raises UsageError if there is none.
    """
    budgets = chosen_budgets(settings, [base], needed=False)
    if not budgets:
        raise UsageError(
            f"no budget is about {base.name}",
            where="--budgets",
            help="`ucseg config` shows the budgets; --max METRIC=QUANTITY limits anything",
        )
    limits: list[tuple[Measure, Limit]] = []
    notes = []
    for budget in budgets:
        reason = _reason_to_leave_out(budget, step or Training())
        if reason is not None:
            notes.append(f"The budget {budget.id} is left out: {reason}.")
        elif budget.max is not None:
            for asked in _measures(budget, conditions, step):
                bound = _bound(budget, budget.max, asked, settings, cache)
                limits.append((asked, bound))
    return BudgetLimits(tuple(limits), tuple(notes))


def _reason_to_leave_out(budget: Budget, step: Training) -> str | None:
    if budget.module is not None:
        return f"it is about the module {budget.module}, and a sweep limits whole networks"
    if budget.dtype is not None:
        return f"it counts as if tensors were {budget.dtype}"
    if budget.training not in {None, step}:
        return f"it is of another training step ({budget.training})"
    return None if budget.max is not None else "it only warns"


def _measures(budget: Budget, conditions: Conditions, step: Training | None) -> Iterator[Measure]:
    """Its metric on each of its inputs, each once."""
    inputs: Iterable[Conditions] = [conditions]
    if budget.input is not None:
        inputs = [Conditions(given=budget.input)]
    elif budget.sizes:
        batch = budget.batch or conditions.batch
        inputs = [make_conditions(size, batch) for size in budget.sizes]
    yield from dict.fromkeys(measure_of(budget.metric, conditions, at, step) for at in inputs)


def _bound(
    budget: Budget, most: Bound, asked: Measure, settings: Settings, cache: Cache | None
) -> Limit:
    """The limit in numbers; the baseline is measured if it depends on that."""
    if not most.against_baseline:
        return Limit(asked.label, most.limit(0), is_max=True, text=most.text, budget=budget.id)
    (baseline,) = measure([settings.baseline], [asked.at], settings, cache=cache, run=False)
    figure = figure_of(baseline.trace, asked.metric)
    if figure is None:
        what = f"the baseline {baseline.name} has no {asked.label}"
        raise ConfigurationError(what, where=budget.place)
    limit = most.limit(figure)
    text = write_quantity(max(limit, 0), in_bytes=EVERY_METRIC[asked.metric].in_bytes)
    return Limit(asked.label, limit, is_max=True, text=text, budget=budget.id)
