"""Checks figures against limits, on exact integers: screen, JSON and exit status follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, find_metric, own_figures_as, totals
from ucseg_cli.analysis.counting.module_tree import roll_up
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, known_metrics
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import (
    AbsentError,
    ConfigurationError,
    MistakesError,
    ModelError,
    Place,
    UcsegError,
    UnknownNameError,
    UsageError,
    nearest_name,
)
from ucseg_cli.facts.budget import Bound, Budget, Figure
from ucseg_cli.facts.conditions import OTHER_ARGUMENTS, Conditions, Point, make_conditions
from ucseg_cli.facts.trace import NO_FORWARD, Trace
from ucseg_cli.facts.training import Training
from ucseg_cli.references import Reference
from ucseg_cli.references.path_pattern import path_pattern
from ucseg_cli.units import exact_ratio, parse_count

BEYOND_ANY_SHARE = 10**30
ABSENT = {AbsentError.kind, UnknownNameError.kind}
"""Errors of a model that a revision does not have, in a file or as a name in it."""


class Check(NamedTuple):
    """A value checked against its limits, or against the *figure* that a document gives.

    *size* is None for a metric that does not depend on the input, *max* if it can only warn.
    *baseline* is the value that relative limits were worked out from. *value* is None where the
    model, or the baseline, has none: *failure* is why. *replaced* is the figure that was written
    before it was fixed. *new_since* is the revision that would be its baseline and does not have
    the model, or the module.
    """

    id: str
    variant: str
    size: str | None
    module: str | None
    metric: str
    dtype: str | None
    value: int | None
    max: int | None
    warn: int | None
    figure: Figure | None = None
    replaced: str | None = None
    failure: UcsegError | None = None
    baseline: int | None = None
    allowed: str | None = None
    message: str | None = None
    place: Place | None = None
    warn_place: Place | None = None
    new_since: str | None = None

    @property
    def bound(self) -> int | None:
        """The limit: the maximum, or the warning's level where nothing can fail.

        None if it depends on a baseline that has no value.
        """
        return next((limit for limit in (self.max, self.warn) if limit is not None), None)

    @property
    def margin(self) -> int | None:
        """How much is left until the limit; negative if it is exceeded."""
        return None if self.value is None or self.bound is None else self.bound - self.value

    @property
    def line_to_edit(self) -> Place | None:
        """Where the limit that decides is written."""
        return self.warn_place if self.status == "warn" else self.place

    @property
    def weight(self) -> Fraction:
        """How bad it is: the share of the limit that is used; for a limit of 0, above any share.

        Figures, and what has no limit yet, come after limits.
        """
        if self.figure is not None or self.new_since is not None:
            return Fraction()
        excess = Fraction(BEYOND_ANY_SHARE - (self.margin or 0))
        return excess if self.used is None else self.used

    @property
    def status(self) -> str:
        """``pass``, ``warn``, ``fail``, ``error`` or ``new``, which has nothing to be judged by.

        A value equal to its limit is within it. A figure passes if the value rounds to it.
        """
        if self.value is None:
            return "error"
        if self.new_since is not None:
            return "new"
        if self.figure is not None:
            return "pass" if self.figure.fits(self.value) else "fail"
        if self.max is not None and self.value > self.max:
            return "fail"
        return "warn" if self.warn is not None and self.value > self.warn else "pass"

    @property
    def written(self) -> str | None:
        """The figure as the document has it; None for a limit."""
        return None if self.figure is None else self.figure.text

    @property
    def is_wrong_figure(self) -> bool:
        """Whether a document says another figure than the model has."""
        return self.figure is not None and self.status == "fail"

    def corrected(self) -> Check:
        """The check of the figure that should be written."""
        if self.figure is None or self.value is None:
            return self
        return self._replace(figure=self.figure.corrected(self.value), replaced=self.written)

    @property
    def passed(self) -> bool:
        """Whether it neither fails nor is unknown; a warning passes."""
        return self.status in {"pass", "warn", "new"}

    @property
    def used(self) -> Fraction | None:
        """The value as a share of the limit."""
        if self.value is None or self.bound is None:
            return None
        return exact_ratio(self.value, self.bound)


def parse_limit(text: str, variants: Sequence[Reference]) -> Budget:
    """``params=650k`` as a budget; raises UsageError for an unknown metric or inexact quantity."""
    where = f"--max {text}"
    name, equals, quantity = text.partition("=")
    if not equals:
        raise UsageError(
            f"'{text}' is not a limit", where=where, help="write METRIC=QUANTITY, as in params=650k"
        )
    metric = find_metric(name, where, EVERY_METRIC)
    count = parse_count(quantity, in_bytes=metric.in_bytes, where=where)
    return Budget(None, tuple(variants), metric.name, max=Bound(Fraction(0), count, quantity))


class Baseline(NamedTuple):
    """The model that relative limits are worked out from, or each model itself at a revision.

    *then* has each model at *revision*, or the error of one that is not there.
    """

    reference: Reference
    revision: str | None = None
    then: Mapping[Reference, Reference | UcsegError] = MappingProxyType({})

    def of(self, model: Reference) -> Reference | UcsegError:
        """The baseline of a model."""
        return self.then[model] if self.revision is not None else self.reference


def points_needed(
    budgets: Iterable[Budget], inputs: Sequence[Conditions], baseline: Baseline
) -> list[Point]:
    """Every model on every input to measure, each once; *inputs* are for budgets without sizes."""
    found: dict[Point, None] = {}
    for budget in budgets:
        bases = map(baseline.of, budget.variants if budget.relative else ())
        models = (*budget.variants, *(base for base in bases if isinstance(base, Reference)))
        for conditions in _inputs(budget, inputs):
            found.update((Point(model, conditions), None) for model in models)
    return list(found)


def _inputs(budget: Budget, inputs: Sequence[Conditions]) -> Sequence[Conditions]:
    """The inputs of a budget; one is enough for a metric that does not depend on it."""
    metric = EVERY_METRIC[budget.metric]
    if budget.input is not None:
        own: Sequence[Conditions] = [Conditions(given=budget.input)]
    else:
        batch = budget.batch or inputs[0].batch
        own = [make_conditions(size, batch) for size in budget.sizes]
        own = own or [_with_batch(one, budget.batch) for one in inputs]
    if metric.of_training:
        own = [one._replace(training=budget.training or Training()) for one in own]
    return own if metric.depends_on_size else own[:1]


def _with_batch(conditions: Conditions, batch: int | None) -> Conditions:
    if batch is None or conditions.given is not None:
        return conditions
    return make_conditions(conditions.size, batch)


def judge(
    budgets: Iterable[Budget],
    inputs: Sequence[Conditions],
    measured: Mapping[Point, Subject],
    baseline: Baseline,
    failures: Mapping[Point, UcsegError] = MappingProxyType({}),
) -> tuple[Check, ...]:
    """Every model of every budget checked against its limits, each limit of the command line once.

    *failures* are why points are not *measured*. Raises UsageError for a pattern that fits no
    module, for a module that the baseline does not have, and for two checks of one name; and the
    first failure where no check has a value.
    """
    checks: dict[str, Check] = {}
    mistakes: list[UcsegError] = []
    for budget in budgets:
        try:
            found = list(_judge(budget, inputs, measured, baseline, failures))
            for check in _named(found, budget):
                known = checks.setdefault(check.id, check)
                # The command line may repeat a limit; ids of a configuration may not repeat.
                if known is not check and (budget.id is not None or known != check):
                    raise ConfigurationError(
                        f"two checks would be named '{check.id}'",
                        where=budget.place,
                        help="give one of the budgets another id",
                    )
        except UcsegError as error:
            mistakes.append(error)
    if mistakes:
        raise mistakes[0] if len(mistakes) == 1 else MistakesError(mistakes)
    unknown = [check.failure for check in checks.values() if check.failure is not None]
    if unknown and len(unknown) == len(checks):
        raise unknown[0]
    return tuple(checks.values())


def _named(checks: Sequence[Check], budget: Budget) -> Sequence[Check]:
    if len(checks) == 1 or budget.id is None:
        return checks
    return [check._replace(id=_unique_id(check, checks)) for check in checks]


def _judge(
    budget: Budget,
    inputs: Sequence[Conditions],
    measured: Mapping[Point, Subject],
    baseline: Baseline,
    failures: Mapping[Point, UcsegError],
) -> Iterator[Check]:
    for reference in budget.variants:
        for conditions in _inputs(budget, inputs):
            point = Point(reference, conditions)
            base, failure = None, failures.get(point) or _unknown(budget, measured[point])
            if budget.relative and failure is None:
                base, failure = _base(budget, point, measured, baseline, failures)
            if failure is not None:
                yield _without_value(budget, point, failure)
                continue
            subject, values = measured[point], _values(measured[point].trace, budget)
            for module in _modules(budget, subject):
                value = values[module or ""]
                yield _check(budget, subject, conditions, module, value, base, baseline.revision)


def _base(
    budget: Budget,
    point: Point,
    measured: Mapping[Point, Subject],
    baseline: Baseline,
    failures: Mapping[Point, UcsegError],
) -> tuple[Subject | None, UcsegError | None]:
    """The baseline of a model, or why it has none; neither of a model that is new."""
    reference = baseline.of(point.reference)
    if isinstance(reference, UcsegError):
        failure: UcsegError | None = reference
    else:
        base = Point(reference, point.conditions)
        failure = failures.get(base) or _unknown(budget, measured[base])
        if failure is None:
            return measured[base], None
    is_new = baseline.revision is not None and failure is not None and failure.kind in ABSENT
    return None, None if is_new else failure


def _without_value(budget: Budget, point: Point, failure: UcsegError) -> Check:
    """The check of a model without a value, or limited by a baseline without one."""
    bounds = [
        None if bound is None or bound.against_baseline else bound.limit(0)
        for bound in (budget.max, budget.warn)
    ]
    check = _make(budget, point.reference.name, point.conditions, budget.module, bounds)
    return check._replace(failure=failure)


def _check(
    budget: Budget,
    subject: Subject,
    conditions: Conditions,
    module: str | None,
    value: int,
    base: Subject | None,
    revision: str | None,
) -> Check:
    relative, before = budget.relative, None
    if relative is not None and base is not None:
        before = _baseline_value(budget, subject, module, base)
    if relative is not None and before is None:
        if revision is None:
            raise ConfigurationError(
                f"the baseline {base and base.name} has no module '{module}'",
                where=budget.module_place,
            )
        check = _make(budget, subject.name, conditions, module, (None, None))
        return check._replace(value=value, new_since=revision)
    bounds = [bound and bound.limit(before or 0) for bound in (budget.max, budget.warn)]
    if relative is not None and min(limit for limit in bounds if limit is not None) < 0:
        raise ConfigurationError(
            f"'{relative.text}' on the baseline's {before:,} leaves less than nothing",
            where=budget.place,
        )
    check = _make(budget, subject.name, conditions, module, bounds)
    return check._replace(value=value, baseline=before)


def _make(
    budget: Budget,
    model: str,
    conditions: Conditions,
    module: str | None,
    bounds: Sequence[int | None],
) -> Check:
    """A check of a budget, without a value; a limit of the command line is named by itself."""
    at = str(conditions.at) if EVERY_METRIC[budget.metric].depends_on_size else None
    most, warn = bounds
    return Check(
        id=budget.id or f"{model}{f'@{at}' if at else ''}:{budget.metric}<={most}",
        variant=model,
        size=at,
        module=module,
        metric=budget.metric,
        dtype=budget.dtype,
        value=None,
        max=most,
        warn=warn,
        figure=budget.figure,
        allowed=budget.relative.text if budget.relative else None,
        message=budget.message,
        place=budget.place,
        warn_place=budget.warn_place,
    )


def _unknown(budget: Budget, subject: Subject) -> ModelError | None:
    """Why a model has no such metric, if it has none."""
    failure = subject.trace.failure
    if failure is not None and EVERY_METRIC[budget.metric].depends_on_size:
        # as a user writes it, where the budget is written
        way = "--input" if budget.id is None else 'a key such as input = "1x16:int64"'
        if budget.figure is not None:
            way = f"a marker of {budget.metric}@1x16:int64, for one,"
        return ModelError(
            f"{subject.name} does not run, so it has no {budget.metric}: {failure}",
            where=budget.place,
            help=None
            if failure == NO_FORWARD
            else f"{way} gives it other arguments: {OTHER_ARGUMENTS}",
        )
    if budget.metric in PARAM_METRICS and budget.metric not in known_metrics(subject.trace):
        return ModelError(
            f"{subject.name} does not say what is trainable, so it has no {budget.metric}",
            where=budget.place,
            help="name the model itself, or limit params",
        )
    return None


def _values(trace: Trace, budget: Budget) -> Mapping[str, int]:
    """The metric by path, the whole network's under the empty one; of modules with their parts."""
    if budget.module is None and budget.dtype is None:
        return {"": totals(trace)[budget.metric]}
    if not EVERY_METRIC[budget.metric].additive:
        return {"": peak_memory(trace, budget.dtype).bytes}
    own = own_figures_as(trace, budget.metric, budget.dtype)
    return {path: figures.get(budget.metric, 0) for path, figures in roll_up(trace, own).items()}


def _modules(budget: Budget, subject: Subject) -> Sequence[str | None]:
    if budget.module is None:
        return [None]
    paths = [module.path for module in subject.trace.modules if module.path]
    fits = path_pattern(budget.module)
    matching = [path for path in paths if fits.fullmatch(path)]
    if not matching:
        nearest, shown_by = nearest_name(budget.module, paths), f"`ucseg params {subject.name}`"
        raise ConfigurationError(
            f"no module of {subject.name} is named '{budget.module}'",
            where=budget.module_place,
            notes=("a budget of nothing would always pass",),
            help=f"did you mean '{nearest}'?" if nearest else f"{shown_by} shows them",
        )
    return matching


def _baseline_value(
    budget: Budget, subject: Subject, module: str | None, base: Subject
) -> int | None:
    """The metric of the baseline's module with the same role; None if it has no such module."""
    values = _values(base.trace, budget)
    if module is None:
        return values[""]
    role = subject.role(module)
    path = next((path for path in values if base.role(path) == role), None)
    return None if path is None else values[path]


def _unique_id(check: Check, others: Sequence[Check]) -> str:
    """The budget's id with the model, size or module in which its checks differ."""
    fields = ("variant", "size", "module")
    differing = [name for name in fields if len({getattr(other, name) for other in others}) > 1]
    return f"{check.id}[{', '.join(str(getattr(check, name)) for name in differing)}]"
