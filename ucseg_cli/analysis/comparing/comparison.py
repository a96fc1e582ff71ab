"""The differences of two networks in totals, modules, taps, axes and findings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.comparing.loading import Loading, as_loaded, loading_between
from ucseg_cli.analysis.comparing.match_modules import Pair, match_modules
from ucseg_cli.analysis.comparing.setting_changes import SettingChange, partners, setting_changes
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import (
    METRICS,
    MOVED_BYTES,
    metrics_of,
    own_figures,
    totals,
)
from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows, of_metrics, partition
from ucseg_cli.analysis.geometry.tap_shapes import TapShape, tap_shapes
from ucseg_cli.analysis.rules.lint_checks import LintChanges, lint_changes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.references import Model
from ucseg_cli.references.designs import (
    NOW,
    REVISION,
    changed_arguments,
    is_same_design,
    revision_of,
)
from ucseg_cli.references.variants import Axis, AxisValues, Change, Variant, changes
from ucseg_cli.references.variants.axis_values import AnyText
from ucseg_cli.units import exact_ratio

MODULE_METRICS = ("params", *CONVENTIONS)
ROW_METRICS = tuple(name for name in METRICS if name != MOVED_BYTES)
"""Those of which a module's remainder beside its children is a row; nearly all move some bytes."""


class Delta(NamedTuple):
    """A figure before and after. None where the thing that it measures does not exist.

    *known* is False if one of the two could not be measured, so the difference is unknown.
    """

    before: int | None
    after: int | None
    known: bool = True

    @property
    def absent(self) -> bool:
        """Whether there is nothing to compare: on neither side, or not measured on one."""
        return not self.known or (self.before is None and self.after is None)

    @property
    def delta(self) -> int:
        """After minus before, None counting as 0; 0 if unknown."""
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

    *path* is its name in the model, or in the baseline if it is gone; *was* is the baseline's name
    if that differs. *settings* are of it and, unless *own*, of all below.
    """

    path: str
    type: str
    figures: Mapping[str, Delta]
    own: bool = False
    was: str | None = None
    settings: tuple[SettingChange, ...] = ()

    @property
    def status(self) -> str:
        """``new``, ``gone``, ``changed`` or ``unchanged``."""
        change = self.figures["params"].change
        differs = self.settings or any(figure.delta for figure in self.figures.values())
        # a module's own remainder of nothing is not a thing that could be new or gone
        if isinstance(change, str) and (differs or not self.own):
            return change
        return "changed" if differs else "unchanged"


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
    """A model compared with a baseline.

    *modules* are at one level and cover each network, so their figures add up to the totals.
    *loading* is what the network makes of the state dict, if just one of the two is a checkpoint.
    *settings* are of all modules, at any depth.
    """

    baseline: Subject
    model: Subject
    totals: Mapping[str, Delta]
    modules: tuple[ModuleDelta, ...]
    taps: tuple[TapDelta, ...]
    axes: tuple[Change, ...]
    lint: LintChanges
    loading: Loading | None = None
    settings: tuple[SettingChange, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether nothing differs: no total, no axis, and no module in a figure or a setting."""
        differs = (delta.delta or not delta.known for delta in self.totals.values())
        modules = (module.status != "unchanged" for module in self.modules)
        return not (self.axes or self.settings or any(differs) or any(modules))


def compare_all(baseline: Subject, models: Sequence[Subject], *, depth: int) -> list[Comparison]:
    """Each of *models* compared with the baseline.

    A checkpoint beside a network has the modules that this network loads from it; a baseline of
    several networks, those of the first.
    """
    network = next((model for model in models if model.state is None), None)
    if baseline.state is not None and network is not None:
        baseline = as_loaded(baseline, network)
    elif baseline.state is None:
        models = [as_loaded(model, baseline) for model in models]
    # one of those that could not run is not of training steps by itself
    metrics = metrics_of(baseline.trace, *(model.trace for model in models))
    return [compare(baseline, model, metrics, depth=depth) for model in models]


def compare(
    baseline: Subject, model: Subject, metrics: Collection[str] = METRICS, *, depth: int
) -> Comparison:
    """Compare two networks run on the same input; modules are *depth* levels below the root."""
    before, after = totals(baseline.trace), totals(model.trace)
    matched = match_modules(baseline, _rows(baseline, depth), model, _rows(model, depth))
    unknown = set(metrics) - (before.keys() & after.keys())
    settings = setting_changes(baseline, model, partners(baseline, model, matched))
    return Comparison(
        baseline=baseline,
        model=model,
        totals={
            metric: Delta(before.get(metric), after.get(metric), known=metric not in unknown)
            for metric in metrics
        },
        modules=tuple(_module_delta(pair, unknown, settings) for pair in matched.pairs),
        taps=_tap_deltas(tap_shapes(baseline.trace), tap_shapes(model.trace)),
        axes=changes(*_axes_in_common(baseline, model)),
        lint=lint_changes(baseline, model, matched.name_after),
        loading=loading_between(baseline, model),
        settings=settings,
    )


def one_design(baseline: Subject, model: Subject) -> tuple[Model, Model] | None:
    """Both as models of one design, which have axes in common; None if they are of two.

    A user's own model that was recognised is a variant of the family, unless the other is built by
    the same constructor and is none.
    """
    if baseline.variant is not None and model.variant is not None:
        return baseline.variant, model.variant
    one, other = baseline.model, model.model
    is_one = one is not None and other is not None and is_same_design(one, other)
    return (one, other) if is_one and one and other else None


def design_axes(pair: Comparison) -> tuple[AxisValues, AxisValues]:
    """The values of both on the axes of their design; none if they are of two designs."""
    return _axes_in_common(pair.baseline, pair.model)


def _axes_in_common(baseline: Subject, model: Subject) -> tuple[AxisValues, AxisValues]:
    models = one_design(baseline, model)
    if models is None:
        return (), ()
    if isinstance(models[0], Variant):
        return baseline.axes, model.axes
    axes = baseline.constructor_axes, model.constructor_axes
    if REVISION not in changed_arguments(*models):
        return axes
    code = Axis(REVISION, "", "", AnyText(), ())
    before, after = (((code, revision_of(one) or NOW),) for one in models)
    return (*before, *axes[0]), (*after, *axes[1])


def _rows(subject: Subject, depth: int) -> list[TreeRow]:
    own = of_metrics(own_figures(subject.trace), ROW_METRICS)
    return partition(module_rows(subject.trace, own, max_depth=depth))


def _module_delta(
    pair: Pair, unknown: Collection[str], settings: Iterable[SettingChange]
) -> ModuleDelta:
    before, after = pair

    def delta(metric: str) -> Delta:
        old, new = (row and row.figures.get(metric) for row in pair)
        return Delta(old, new, known=metric not in unknown)

    return ModuleDelta(
        path=pair.row.path,
        type=pair.row.type,
        own=pair.row.own,
        was=before.path if before and after and before.path != after.path else None,
        figures={metric: delta(metric) for metric in MODULE_METRICS},
        settings=tuple(change for change in settings if after and _is_at(change.path, after)),
    )


def _is_at(path: str, row: TreeRow) -> bool:
    return path == row.path or (not row.own and path.startswith(f"{row.path}."))


def _tap_deltas(before: Iterable[TapShape], after: Iterable[TapShape]) -> tuple[TapDelta, ...]:
    old, new = ({tap.name: tap for tap in taps} for taps in (before, after))
    names = dict.fromkeys((*old, *new))
    return tuple(TapDelta(name, old.get(name), new.get(name)) for name in names)


def _geometry(tap: TapShape | None) -> object:
    return None if tap is None else (tap.shape, tap.stride, tap.module)
