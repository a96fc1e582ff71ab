"""What differs between two networks: totals, modules, taps and axes, the unchanged counted but set aside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.comparing.match_modules import Pair, match_modules
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import METRICS, own_figures, totals
from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows, partition
from ucseg_cli.analysis.geometry.tap_shapes import TapShape, tap_shapes
from ucseg_cli.analysis.rules.lint_checks import LintChanges, lint_changes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.references.variants import Change, changes
from ucseg_cli.units import exact_ratio

MODULE_METRICS = ("params", *CONVENTIONS)


class Delta(NamedTuple):
    """A figure before and after. None where the thing that it measures does not exist.

    *known* is False where one of the two could not be measured at all, so that nothing can be said of the difference.
    """

    before: int | None
    after: int | None
    known: bool = True

    @property
    def absent(self) -> bool:
        """Whether there is nothing to compare: it exists on neither side, or could not be measured on one."""
        return not self.known or (self.before is None and self.after is None)

    @property
    def delta(self) -> int:
        """After minus before, what does not exist counting nothing; 0 where it is not known."""
        return (self.after or 0) - (self.before or 0) if self.known else 0

    @property
    def change(self) -> Fraction | str | None:
        """The delta as a ratio of before; ``new`` or ``gone`` for what exists on one side only."""
        if self.absent:
            return None
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        return exact_ratio(self.delta, self.before)


class ModuleDelta(NamedTuple):
    """One module before and after, under every metric of MODULE_METRICS.

    *path* is what it is called in the model, or in the baseline where it is gone; *was* what the baseline calls it
    where that is something else.
    """

    path: str
    type: str
    figures: Mapping[str, Delta]
    own: bool = False
    was: str | None = None

    @property
    def status(self) -> str:
        """``new``, ``gone``, ``changed`` or ``unchanged``."""
        change = self.figures["params"].change
        if isinstance(change, str):
            return change
        return "changed" if any(figure.delta for figure in self.figures.values()) else "unchanged"


class TapDelta(NamedTuple):
    """One tap before and after."""

    name: str
    before: TapShape | None
    after: TapShape | None

    @property
    def changed(self) -> bool:
        """Whether shape, stride or the module it comes from differ."""
        return _geometry(self.before) != _geometry(self.after)


class Comparison(NamedTuple):
    """A model held against a baseline.

    *modules* are at one level and together each network whole, so their figures add up to the totals.
    """

    baseline: Subject
    model: Subject
    totals: Mapping[str, Delta]
    modules: tuple[ModuleDelta, ...]
    taps: tuple[TapDelta, ...]
    axes: tuple[Change, ...]
    lint: LintChanges


def compare(baseline: Subject, model: Subject, *, depth: int) -> Comparison:
    """What differs between two networks run on the same input; modules are *depth* levels below the root."""
    before, after = totals(baseline.trace), totals(model.trace)
    matched = match_modules(baseline, _rows(baseline, depth), model, _rows(model, depth))
    return Comparison(
        baseline=baseline,
        model=model,
        totals={
            metric: Delta(
                before.get(metric), after.get(metric), known=metric in before and metric in after
            )
            for metric in METRICS
        },
        modules=tuple(
            _module_delta(pair, set(MODULE_METRICS) - (before.keys() & after.keys()))
            for pair in matched.pairs
        ),
        taps=_tap_deltas(tap_shapes(baseline.trace), tap_shapes(model.trace)),
        axes=changes(baseline.variant, model.variant) if baseline.variant and model.variant else (),
        lint=lint_changes(baseline, model, matched.name_after),
    )


def _rows(subject: Subject, depth: int) -> list[TreeRow]:
    return partition(module_rows(subject.trace, own_figures(subject.trace), max_depth=depth))


def _module_delta(pair: Pair, unknown: Collection[str]) -> ModuleDelta:
    before, after = pair
    return ModuleDelta(
        path=pair.row.path,
        type=pair.row.type,
        own=pair.row.own,
        was=before.path if before and after and before.path != after.path else None,
        figures={
            metric: Delta(
                _figure(before, metric), _figure(after, metric), known=metric not in unknown
            )
            for metric in MODULE_METRICS
        },
    )


def _figure(row: TreeRow | None, metric: str) -> int | None:
    return None if row is None else row.figures.get(metric)


def _tap_deltas(before: Iterable[TapShape], after: Iterable[TapShape]) -> tuple[TapDelta, ...]:
    old, new = ({tap.name: tap for tap in taps} for taps in (before, after))
    return tuple(
        TapDelta(name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new))
    )


def _geometry(tap: TapShape | None) -> object:
    return None if tap is None else (tap.shape, tap.stride, tap.module)
