"""The answer of a sweep: one value with all that its report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.swept import Measure, Swept
from ucseg_cli.facts.training import Training
from ucseg_cli.references.space import Space

if TYPE_CHECKING:  # few sweeps measure time
    from ucseg_cli.analysis.timing.timing_answer import TimingAnswer

Number = int | Fraction
"""A figure that is exact: of a metric, or out of a file of scores."""
Column = Sequence[Number | None]
"""A figure for each variant, in the order of the space."""


class Quantity(NamedTuple):
    """Something that every variant has a figure of: a measure, or a column of scores.

    Args:
        label: its name everywhere, the key of its column: ``params``, ``fvcore@512``, ``miou``.
        title: what a sentence calls it.
        in_bytes: whether it counts bytes.
        measure: None for scores.
        unit: of scores, if their file names it.
    """

    label: str
    title: str
    in_bytes: bool = False
    measure: Measure | None = None
    unit: str = ""

    @property
    def heading(self) -> str:
        """Above or beside figures without a unit: ``parameters``, ``pixel8 [ms]``."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


class Limit(NamedTuple):
    """A bound on a quantity, whose heading is *title*. *text* is the bound as it was written."""

    label: str
    bound: Number
    is_max: bool
    text: str
    budget: str | None = None
    title: str = ""

    def __str__(self) -> str:
        """As in ``params ≤ 600k``."""
        return f"{self.label} {self._bound}"

    @property
    def shown(self) -> str:
        """For a screen that has headings: ``parameters ≤ 600k``."""
        return f"{self.title or self.label} {self._bound}"

    @property
    def _bound(self) -> str:
        return f"{'≤' if self.is_max else '≥'} {self.text}"

    def is_met(self, figure: Number | None) -> bool:
        """Whether a figure is within it; a missing one is not."""
        if figure is None:
            return False
        return figure <= self.bound if self.is_max else figure >= self.bound

    def excess(self, figure: Number) -> Fraction:
        """How far a figure is beyond it, as a share of the bound, or of 1 where that is 0."""
        beyond = figure - self.bound if self.is_max else self.bound - figure
        return Fraction(beyond) / (abs(Fraction(self.bound)) or Fraction(1))


class LimitTally(NamedTuple):
    """A limit, how many variants meet it, and how many fail it alone: then it binds."""

    limit: Limit
    met: int
    alone: int


class Objective(NamedTuple):
    """A quantity of which less is better, or more."""

    label: str
    maximize: bool = False


class Range(NamedTuple):
    """The extremes of a quantity over the space, and the figure of the base.

    *smallest_at* and *largest_at* are the first variants that have these; *known* is how many have
    any. All are None where none has any.
    """

    label: str
    smallest: Number | None
    base: Number | None
    largest: Number | None
    smallest_at: int | None
    largest_at: int | None
    known: int


class FrontPoint(NamedTuple):
    """A variant that no other one beats, and the others of equal figures in every objective.

    *variant* is the index of the one with the fewest axes changed from the base.
    """

    variant: int
    equals: tuple[int, ...] = ()


class Nearest(NamedTuple):
    """A variant, by index, that meets all limits, and how far it is from the base.

    *change* is that of the first objective; None where the base has no figure of it.
    """

    variant: int
    axes: tuple[str, ...]
    change: Number | None


class LeastViolation(NamedTuple):
    """The variant, by index, that comes nearest to meeting all limits, where none does.

    *excess* is the largest by which it misses a limit, as a share of that limit.
    """

    variant: int
    limit: Limit
    excess: Fraction


class AxisEffect(NamedTuple):
    """The effect on a quantity of one step of an axis, to its next value.

    Over all *pairs* of variants that differ in this step alone and both have a figure; *mean*,
    *smallest* and *largest* are None without any.
    """

    axis: str
    label: str
    mean: Fraction | None
    smallest: Number | None
    largest: Number | None
    pairs: int


class FrontStep(NamedTuple):
    """From one variant of the front to the next, by the first objective: which axis bought what.

    *attributions* has one for each objective that can be explained, named by its label.
    """

    before: int
    after: int
    axes: tuple[str, ...]
    attributions: tuple[Attribution, ...]


class Scores(NamedTuple):
    """Figures out of a file, joined by variant.

    Args:
        file: its name.
        columns: by name, in lower case with ``-`` for ``_``.
        missing: how many variants of the space it does not have.
        outside: references in it that are not in the space.
        units: of columns, by name; empty for one without.
    """

    file: str
    columns: Mapping[str, Column]
    missing: int
    outside: tuple[str, ...] = ()
    units: Mapping[str, str] = MappingProxyType({})


class Ranking(NamedTuple):
    """A formula over figures.

    Args:
        formula: as it was written.
        scores: of each variant; None where it has none.
        order: the variants that meet all limits and have a score, the highest first.
        reasons: how many variants have no score, by why.
    """

    formula: str
    scores: Sequence[float | None]
    order: Sequence[int]
    reasons: Mapping[str, int]


class SweepAnswer(NamedTuple):
    """Everything about a swept space.

    Args:
        space: its variants. name: what it is called, if the configuration names it.
        conditions: the input of the command.
        quantities: everything that variants have a figure of, costs first.
        swept: the figures of measures, and why variants have none.
        scores: the figures out of a file.
        base: the figures of the base by label, even if it is not one of the variants.
        ranges: of each quantity.
        tallies: of each limit.
        feasible: for each variant, whether it is built and meets every limit (1 or 0).
        fitting: how many do.
        objectives: those of the front.
        front: by the first objective, then the others.
        nearest: the feasible variants with the fewest changes, the smallest change first; None if
            they were not asked for.
        least: the variant nearest to fitting, where limits are given and none fits.
        effects: by axis, then by quantity.
        steps: between neighbours on the front; of a long front the first.
        ranking: by the formula, if one is given.
        verified: how many variants were recorded alone and had the same figures.
        notes: what was left out, and why.
        timed: the time of the best variants beside the base, if it was asked for.
    """

    space: Space
    conditions: Conditions
    quantities: tuple[Quantity, ...]
    swept: Swept
    base: Mapping[str, Number | None]
    ranges: tuple[Range, ...]
    tallies: tuple[LimitTally, ...]
    feasible: Sequence[int]
    fitting: int
    objectives: tuple[Objective, ...]
    front: tuple[FrontPoint, ...]
    effects: tuple[AxisEffect, ...]
    steps: tuple[FrontStep, ...] = ()
    nearest: tuple[Nearest, ...] | None = None
    least: LeastViolation | None = None
    scores: Scores | None = None
    ranking: Ranking | None = None
    verified: int | None = None
    notes: tuple[str, ...] = ()
    name: str | None = None
    timed: TimingAnswer | None = None

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The limits without their tallies."""
        return tuple(tally.limit for tally in self.tallies)

    @property
    def step(self) -> Training | None:
        """The training step that metrics of training are of, if there are such."""
        measures = (quantity.measure for quantity in self.quantities)
        steps = (measure.at.training for measure in measures if measure is not None)
        return next(filter(None, steps), None)

    def column(self, label: str) -> Column:
        """The figures of a quantity."""
        if label in self.swept.columns:
            return self.swept.columns[label]
        return self.scores.columns[label] if self.scores else ()

    def figure(self, label: str, index: int) -> Number | None:
        """The figure of a variant."""
        return self.column(label)[index]
