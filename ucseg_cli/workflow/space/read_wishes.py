"""The quantities, limits, objectives and formula that a user asks for, out of their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, Metric
from ucseg_cli.analysis.space.benefits import BENEFITS, find_any_metric
from ucseg_cli.analysis.space.conclude_sweep import Wanted
from ucseg_cli.analysis.space.expression import Formula, NamedFigure, parse_formula
from ucseg_cli.analysis.space.scores import parse_score, score_name
from ucseg_cli.analysis.space.sweep_answer import Limit, Objective, Quantity, Scores
from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.facts.conditions import Conditions, make_conditions, parse_conditions
from ucseg_cli.facts.swept import Measure
from ucseg_cli.facts.training import Training
from ucseg_cli.units import parse_count

ALWAYS = ("params", *CONVENTIONS, "peak-memory")
"""The metrics of every sweep."""


class Wishes(NamedTuple):
    """Everything that was typed about a space but its axes.

    Args:
        maximum, minimum: limits, as in ``params=600k`` and ``fvcore=500M@512``.
        minimize, maximize: objectives.
        formula: of ``--score``.
        nearest: whether the variants with the fewest changes are asked for.
        step: what metrics of training are of; None for the default one.
    """

    maximum: Sequence[str] = ()
    minimum: Sequence[str] = ()
    minimize: Sequence[str] = ()
    maximize: Sequence[str] = ()
    formula: str | None = None
    nearest: bool = False
    step: Training | None = None


def read_wishes(
    wishes: Wishes,
    conditions: Conditions,
    convention: str,
    *,
    scores: Scores | None = None,
    limits: Sequence[tuple[Measure, Limit]] = (),
) -> Wanted:
    """All that is asked for, with the quantities that it needs; *limits* come from budgets.

    Without objectives to minimize they are the parameters, the operations under the *convention*
    and the peak of activations. Raises UsageError for a name that is neither a metric nor a score.
    """
    known = _Known(conditions, scores, wishes.step or Training())
    for metric in ALWAYS:
        known.find(metric, None)
    for name in scores.columns if scores else ():
        known.find(name, None)
    for measure, _ in limits:
        known.add(measure, EVERY_METRIC[measure.metric])
    typed = [known.limit(text, is_max=True) for text in wishes.maximum]
    typed += [known.limit(text, is_max=False) for text in wishes.minimum]
    minimize = wishes.minimize or ("params", convention, "peak-memory")
    objectives = [
        *(Objective(known.find(text, f"--minimize {text}")) for text in minimize),
        *(
            Objective(known.find(text, f"--maximize {text}"), maximize=True)
            for text in wishes.maximize
        ),
    ]
    every_limit = (*typed, *(limit for _, limit in limits))
    formula = None if wishes.formula is None else parse_formula(wishes.formula, known.scores)
    names = known.names_in(formula) if formula else {}
    if wishes.step is not None:
        _refuse_unused_step(known.quantities.values())
    return Wanted(
        tuple(known.quantities.values()),
        tuple(_each_once(objectives)),
        tuple(limit._replace(title=known.quantities[limit.label].title) for limit in every_limit),
        formula,
        names,
        wishes.nearest,
    )


def _refuse_unused_step(quantities: Iterable[Quantity]) -> None:
    """Raise UsageError where nothing that is measured depends on a training step."""
    measures = [one.measure for one in quantities if one.measure is not None]
    if not any(measure.at.training for measure in measures):
        options = "--optimizer, --loss, --amp, --freeze and --checkpoint"
        raise UsageError(
            f"{options} are of a training step, which nothing here depends on",
            where="ucseg sweep",
            help="add --minimize train-memory, or a limit as in --max train-memory=4GB",
        )


def measure_of(
    metric: str, conditions: Conditions, at: Conditions | None = None, step: Training | None = None
) -> Measure:
    """A metric on an input; on that of the command if it has none of its own or needs none.

    One of training is of *step*, by default one with the default optimizer.
    """
    known = EVERY_METRIC.get(metric) or BENEFITS[metric.partition(":")[0]]
    is_own = at is not None and at != conditions and known.depends_on_size
    given, label = (at, f"{metric}@{at.written}") if at and is_own else (conditions, metric)
    training = (step or Training()) if known.of_training else None
    return Measure(metric, given._replace(training=training), label)


class _Known:
    """The quantities that have been asked for so far, by label; those of scores all are."""

    def __init__(self, conditions: Conditions, scores: Scores | None, step: Training) -> None:
        self.conditions = conditions
        self.step = step
        self.quantities: dict[str, Quantity] = {}
        self.scores = {name: _score(name, scores) for name in scores.columns} if scores else {}

    def add(self, measure: Measure, metric: Metric) -> str:
        """The label of a measure, which is now among the quantities."""
        label = measure.label
        title = label.replace(metric.name, metric.title, 1)
        self.quantities.setdefault(label, Quantity(label, title, metric.in_bytes, measure))
        return label

    def find(self, text: str, where: Where) -> str:
        """The label of a metric, as in ``fvcore@512``, or of a score; raises UsageError."""
        if (score := self.scores.get(score_name(text))) is not None:
            self.quantities.setdefault(score.label, score)
            return score.label
        name, at, written = text.partition("@")
        metric, full_name = self._metric(name, where)
        given = self._input(written, where) if at else None
        return self.add(measure_of(full_name, self.conditions, given, self.step), metric)

    def limit(self, text: str, *, is_max: bool) -> Limit:
        """``fvcore=500M@512`` or ``miou=0.6`` as a limit; raises UsageError."""
        where = f"--{'max' if is_max else 'min'} {text}"
        name, equals, bound = text.partition("=")
        quantity, at, _ = bound.partition("@")
        if not equals:
            fix = "write METRIC=QUANTITY, as in params=600k or fvcore=500M@512"
            raise UsageError(f"'{text}' is not a limit", where=where, help=fix)
        label = self.find(f"{name}{bound[len(quantity) :]}" if at else name, where)
        found = self.quantities[label]
        if found.measure is None:
            bound_on_score = parse_score(quantity, where, found.unit)
            written = quantity.strip()
            if found.unit and written[-1].isdigit():
                written += f" {found.unit}"
            return Limit(label, bound_on_score, is_max, written)
        count = parse_count(quantity, in_bytes=found.in_bytes, where=where)
        return Limit(label, count, is_max, quantity.strip())

    def names_in(self, formula: Formula) -> dict[str, str]:
        """The label of each name in a formula; raises UsageError."""
        if not formula.names:
            fix = "write one such as miou - 0.02*log2(params)"
            what = f"'{formula.text}' is the same for every variant"
            raise UsageError(what, where=f"--score {formula.text}", help=fix)
        return {
            named.text: self.find(named.text, _place(formula, named)) for named in formula.names
        }

    def _metric(self, name: str, where: Where) -> tuple[Metric, str]:
        try:
            return find_any_metric(name, where)
        except UnknownNameError:
            known = (*self.scores, *EVERY_METRIC, *BENEFITS)
            noun = "metric or score" if self.scores else "metric"
            raise UnknownNameError(noun, name, known, where=where) from None

    def _input(self, text: str, where: Where) -> Conditions:
        """An input as ``@512`` has it, in batches as the command's."""
        found = parse_conditions(text, where=where)
        if found.given is not None:
            return found
        return make_conditions(found.size, self.conditions.batch)


def _score(name: str, scores: Scores) -> Quantity:
    """A column of scores."""
    return Quantity(name, name, unit=scores.units.get(name, ""))


def _place(formula: Formula, named: NamedFigure) -> str:
    return f"--score {formula.text}, at column {named.column}"


def _each_once(objectives: Sequence[Objective]) -> Iterator[Objective]:
    """The objectives without repetitions; raises UsageError for one that contradicts another."""
    wanted: Mapping[str, Objective] = {one.label: one for one in reversed(objectives)}
    for objective in dict.fromkeys(objectives):
        if wanted[objective.label] != objective:
            what = f"{objective.label} is to be both minimized and maximized"
            where = f"--maximize {objective.label}"
            raise UsageError(what, where=where, help="keep one of them")
        yield objective
