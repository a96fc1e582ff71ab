"""What differs between two networks: totals, modules, taps and axes, the unchanged counted but set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.conventions import CONVENTIONS
from ucseg_cli.analysis.lint import LintChanges, lint_changes
from ucseg_cli.analysis.module_tree import TreeRow, module_rows, partition
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.taps import TapShape, tap_shapes
from ucseg_cli.analysis.totals import METRICS, own_figures, totals
from ucseg_cli.units import exact_ratio
from ucseg_cli.variants import Change, changes

MODULE_METRICS = ("params", *CONVENTIONS)


class Delta(NamedTuple):
    """A figure before and after. None where the thing that it measures does not exist."""

    before: int | None
    after: int | None

    @property
    def absent(self) -> bool:
        """Whether it exists on neither side, as when only a third model has it."""
        return self.before is None and self.after is None

    @property
    def delta(self) -> int:
        """After minus before, what does not exist counting nothing."""
        return (self.after or 0) - (self.before or 0)

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
    """One module before and after, under every metric of MODULE_METRICS."""

    path: str
    type: str
    figures: Mapping[str, Delta]
    own: bool = False

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
    return Comparison(
        baseline=baseline,
        model=model,
        totals={metric: Delta(before[metric], after[metric]) for metric in METRICS},
        modules=_module_deltas(_rows_by_role(baseline, depth), _rows_by_role(model, depth)),
        taps=_tap_deltas(tap_shapes(baseline.trace), tap_shapes(model.trace)),
        axes=changes(baseline.variant, model.variant) if baseline.variant and model.variant else (),
        lint=lint_changes(baseline, model),
    )


def _rows_by_role(subject: Subject, depth: int) -> dict[tuple[str, bool], TreeRow]:
    rows = partition(module_rows(subject.trace, own_figures(subject.trace), max_depth=depth))
    return {(subject.role(row.path), row.own): row for row in rows}


def _module_deltas(
    before: Mapping[tuple[str, bool], TreeRow], after: Mapping[tuple[str, bool], TreeRow]
) -> tuple[ModuleDelta, ...]:
    return tuple(
        ModuleDelta(
            path=role,
            type=(after.get((role, own)) or before[role, own]).type,
            own=own,
            figures={
                metric: Delta(_figure(before.get((role, own)), metric), _figure(after.get((role, own)), metric))
                for metric in MODULE_METRICS
            },
        )
        for role, own in dict.fromkeys((*before, *after))
    )


def _figure(row: TreeRow | None, metric: str) -> int | None:
    return None if row is None else row.figures.get(metric, 0)


def _tap_deltas(before: Iterable[TapShape], after: Iterable[TapShape]) -> tuple[TapDelta, ...]:
    old, new = ({tap.name: tap for tap in taps} for taps in (before, after))
    return tuple(TapDelta(name, old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new)))


def _geometry(tap: TapShape | None) -> object:
    return None if tap is None else (tap.shape, tap.stride, tap.module)
