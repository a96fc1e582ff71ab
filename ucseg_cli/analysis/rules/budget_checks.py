"""Judging figures by limits: one predicate on exact integers decides screen, JSON and exit status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import METRICS, own_figures, totals
from ucseg_cli.analysis.counting.module_tree import roll_up
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, known_metrics, own_params
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.analysis.path_pattern import path_pattern
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import (
    ConfigurationError,
    MistakesError,
    ModelError,
    Place,
    UcsegError,
    UnknownNameError,
    UsageError,
    nearest_name,
)
from ucseg_cli.facts.budget import Bound, Budget
from ucseg_cli.facts.conditions import Conditions, make_conditions
from ucseg_cli.facts.point import Point
from ucseg_cli.facts.state_dict import NO_FORWARD
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import Reference
from ucseg_cli.units import exact_ratio, parse_count

BEYOND_ANY_SHARE = 10**30


class Check(NamedTuple):
    """A value held to its limits.

    *size* is None for a metric that does not depend on the input, *max* where it can only warn. *baseline* is the value
    that limits were worked out from, where they are changes.
    """

    id: str
    variant: str
    size: str | None
    module: str | None
    metric: str
    dtype: str | None
    value: int
    max: int | None
    warn: int | None
    baseline: int | None = None
    allowed: str | None = None
    message: str | None = None
    place: Place | None = None
    warn_place: Place | None = None

    @property
    def bound(self) -> int:
        """The limit that decides: what it warns beyond where it does, else what it fails beyond."""
        told = (self.warn, self.max) if self.status == "warn" else (self.max, self.warn)
        return next(limit for limit in told if limit is not None)

    @property
    def margin(self) -> int:
        """How much is left until it fails, or where it cannot, until it warns; negative by how much that is exceeded."""
        return next(limit for limit in (self.max, self.warn) if limit is not None) - self.value

    @property
    def line_to_edit(self) -> Place | None:
        """Where the limit that decides is written."""
        return self.warn_place if self.status == "warn" else self.place

    @property
    def weight(self) -> Fraction:
        """How bad it is, so that the worst comes first: by the share of the limit that is used, and beyond a limit of 0 by the excess."""
        return (
            self.used
            if self.used is not None
            else Fraction(self.value - self.bound + BEYOND_ANY_SHARE)
        )

    @property
    def status(self) -> str:
        """``pass``, ``warn`` or ``fail``; a value equal to its limit is within it."""
        if self.max is not None and self.value > self.max:
            return "fail"
        return "warn" if self.warn is not None and self.value > self.warn else "pass"

    @property
    def passed(self) -> bool:
        """Whether it does not fail; a warning is told, and passes."""
        return self.status != "fail"

    @property
    def used(self) -> Fraction | None:
        """The value as a share of the limit that decides."""
        return exact_ratio(self.value, self.bound)


def parse_limit(text: str, variants: Sequence[Reference]) -> Budget:
    """``params=650k`` as a budget of the command line's; raises UsageError for an unknown metric or an inexact quantity."""
    where = f"--max {text}"
    metric, equals, quantity = text.partition("=")
    if not equals:
        raise UsageError(
            f"'{text}' is not a limit", where=where, help="write METRIC=QUANTITY, as in params=650k"
        )
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS, where=where)
    count = parse_count(quantity, in_bytes=METRICS[metric].in_bytes, where=where)
    return Budget(None, tuple(variants), metric, max=Bound(Fraction(0), count, quantity))


def points_needed(
    budgets: Iterable[Budget], inputs: Sequence[Conditions], baseline: Reference
) -> list[Point]:
    """Every model on every input that judging needs, each once; *inputs* are for budgets without sizes."""
    found: dict[Point, None] = {}
    for budget in budgets:
        models = (*budget.variants, *([baseline] if budget.relative else []))
        for conditions in _inputs(budget, inputs):
            found.update((Point(model, conditions), None) for model in models)
    return list(found)


def _inputs(budget: Budget, inputs: Sequence[Conditions]) -> Sequence[Conditions]:
    """The inputs of a budget; one is enough for a metric that does not depend on it."""
    own = [make_conditions(size, inputs[0].batch) for size in budget.sizes]
    wanted = own or inputs
    return wanted if METRICS[budget.metric].depends_on_size else wanted[:1]


def judge(
    budgets: Iterable[Budget],
    inputs: Sequence[Conditions],
    measured: Mapping[Point, Subject],
    baseline: Reference,
) -> tuple[Check, ...]:
    """Every model of every budget checked against its limits, each limit of the command line once.

    Raises UsageError for a pattern that fits no module, for a module that the baseline does not
    have, and for two checks of one name.
    """
    checks: dict[str, Check] = {}
    mistakes: list[UcsegError] = []
    for budget in budgets:
        try:
            for check in _named(list(_judge(budget, inputs, measured, baseline)), budget):
                known = checks.setdefault(check.id, check)
                if known is not check and (budget.id is not None or known != check):
                    raise _named_alike(check, budget)
        except UcsegError as error:
            mistakes.append(error)
    if mistakes:
        raise mistakes[0] if len(mistakes) == 1 else MistakesError(mistakes)
    return tuple(checks.values())


def _named(checks: Sequence[Check], budget: Budget) -> Iterator[Check]:
    alone = len(checks) == 1 or budget.id is None
    return (check if alone else check._replace(id=_named_apart(check, checks)) for check in checks)


def _named_alike(check: Check, budget: Budget) -> ConfigurationError:
    return ConfigurationError(
        f"two checks would be named '{check.id}'",
        where=budget.place,
        help="give one of the budgets another id",
    )


def _judge(
    budget: Budget,
    inputs: Sequence[Conditions],
    measured: Mapping[Point, Subject],
    baseline: Reference,
) -> Iterator[Check]:
    for reference in budget.variants:
        for conditions in _inputs(budget, inputs):
            subject = measured[Point(reference, conditions)]
            base = measured.get(Point(baseline, conditions))
            _refuse_unknown_figure(budget, subject)
            values = _values(subject.trace, budget)
            for module in _modules(budget, subject):
                yield _check(budget, subject, conditions, module, values[module or ""], base)


def _check(
    budget: Budget,
    subject: Subject,
    conditions: Conditions,
    module: str | None,
    value: int,
    base: Subject | None,
) -> Check:
    relative, before = budget.relative, None
    if relative is not None and base is not None:
        before = _baseline_value(budget, subject, module, base)
    at = str(conditions.at) if METRICS[budget.metric].depends_on_size else None
    most, warn = (bound and bound.limit(before or 0) for bound in (budget.max, budget.warn))
    if relative is not None and min(limit for limit in (most, warn) if limit is not None) < 0:
        raise ConfigurationError(
            f"'{relative.text}' on the baseline's {before:,} leaves less than nothing",
            where=budget.place,
        )
    return Check(
        id=budget.id or f"{subject.name}{f'@{at}' if at else ''}:{budget.metric}<={most}",
        variant=subject.name,
        size=at,
        module=module,
        metric=budget.metric,
        dtype=budget.dtype,
        value=value,
        max=most,
        warn=warn,
        baseline=before,
        allowed=relative.text if relative else None,
        message=budget.message,
        place=budget.place,
        warn_place=budget.warn_place,
    )


def _refuse_unknown_figure(budget: Budget, subject: Subject) -> None:
    if subject.trace.failure is not None and METRICS[budget.metric].depends_on_size:
        raise ModelError(
            f"{subject.name} does not run, so it has no {budget.metric}: {subject.trace.failure}",
            where=budget.place,
            help=None if subject.trace.failure == NO_FORWARD else "--input gives it other tensors",
        )
    if budget.metric in PARAM_METRICS and budget.metric not in known_metrics(subject.trace):
        raise ModelError(
            f"{subject.name} does not say what is trainable, so it has no {budget.metric}",
            where=budget.place,
            help="name the model itself, or limit params",
        )


def _values(trace: Trace, budget: Budget) -> Mapping[str, int]:
    """A budget's metric of the whole network, under the empty path, and for a budget of modules of each with what is below it."""
    if budget.module is None and budget.dtype is None:
        return {"": totals(trace)[budget.metric]}
    if not METRICS[budget.metric].additive:
        return {"": peak_memory(trace, budget.dtype).bytes}
    own = own_params(trace, budget.dtype) if budget.dtype else own_figures(trace)
    return {path: figures.get(budget.metric, 0) for path, figures in roll_up(trace, own).items()}


def _modules(budget: Budget, subject: Subject) -> Sequence[str | None]:
    if budget.module is None:
        return [None]
    paths = [module.path for module in subject.trace.modules if module.path]
    fits = path_pattern(budget.module)
    matching = [path for path in paths if fits.fullmatch(path)]
    if not matching:
        nearest = nearest_name(budget.module, paths)
        raise ConfigurationError(
            f"no module of {subject.name} is named '{budget.module}'",
            where=budget.module_place,
            notes=("a budget of nothing would always pass",),
            help=f"did you mean '{nearest}'?"
            if nearest
            else f"`ucseg params {subject.name}` shows them",
        )
    return matching


def _baseline_value(budget: Budget, subject: Subject, module: str | None, base: Subject) -> int:
    """What the same metric is of the same module in the baseline, by what the module is for."""
    values = _values(base.trace, budget)
    path = (
        ""
        if module is None
        else next((p for p in values if base.role(p) == subject.role(module)), None)
    )
    if path is None:
        raise ConfigurationError(
            f"the baseline {base.name} has no module '{module}'",
            where=budget.module_place,
        )
    return values[path]


def _named_apart(check: Check, others: Sequence[Check]) -> str:
    """The budget's name with what tells its checks apart."""
    parts = [
        str(getattr(check, part))
        for part in ("variant", "size", "module")
        if len({getattr(other, part) for other in others}) > 1
    ]
    return f"{check.id}[{', '.join(parts)}]"
