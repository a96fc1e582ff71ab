"""What differs between two networks: totals, modules, taps and axes, the unchanged counted but set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.conventions import CONVENTIONS
from ucseg_cli.analysis.module_tree import Figures, TreeRow, module_rows, partition
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.taps import TapShape, tap_shapes
from ucseg_cli.analysis.totals import METRICS, add_up, own_figures
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


@dataclass(frozen=True, slots=True)
class ModuleDelta:
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


@dataclass(frozen=True, slots=True)
class TapDelta:
    """One tap before and after."""

    name: str
    before: TapShape | None
    after: TapShape | None

    @property
    def changed(self) -> bool:
        """Whether shape or stride differ; which module it comes from does not matter."""
        return _geometry(self.before) != _geometry(self.after)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model held against a baseline.

    *modules* are at one level and together each network whole, so their figures add up to the totals.
    """

    baseline: Subject
    model: Subject
    totals: Mapping[str, Delta]
    modules: tuple[ModuleDelta, ...]
    taps: tuple[TapDelta, ...]
    axes: tuple[Change, ...]


def compare(baseline: Subject, model: Subject, *, depth: int) -> Comparison:
    """What differs between two networks run on the same input; modules are *depth* levels below the root."""
    own_before, own_after = own_figures(baseline.trace), own_figures(model.trace)
    before, after = add_up(own_before.values()), add_up(own_after.values())
    return Comparison(
        baseline=baseline,
        model=model,
        totals={metric: Delta(before[metric], after[metric]) for metric in METRICS},
        modules=_module_deltas(_rows_by_role(baseline, own_before, depth), _rows_by_role(model, own_after, depth)),
        taps=_tap_deltas(tap_shapes(baseline.trace), tap_shapes(model.trace)),
        axes=changes(baseline.variant, model.variant) if baseline.variant and model.variant else (),
    )


def _rows_by_role(subject: Subject, own: Mapping[str, Figures], depth: int) -> dict[tuple[str, bool], TreeRow]:
    rows = partition(module_rows(subject.trace, own, max_depth=depth))
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
    return None if tap is None else (tap.shape, tap.stride)
