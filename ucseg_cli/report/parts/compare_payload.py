"""A comparison for scripts: as JSON and as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from ucseg_cli.analysis.comparing.comparison import (
    MODULE_METRICS,
    Comparison,
    Delta,
    ModuleDelta,
    TapDelta,
)
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.report.answers.choose.compare_settings import settings_payload
from ucseg_cli.report.answers.choose.lint import finding_payload
from ucseg_cli.report.answers.choose.loading_tables import loading_payload
from ucseg_cli.report.document import Table
from ucseg_cli.report.fields import Field, Output, make_entries, make_records
from ucseg_cli.report.parts.conditions_header import raw_conditions
from ucseg_cli.report.parts.module_table import label

if TYPE_CHECKING:  # few comparisons measure time
    from ucseg_cli.analysis.timing.timing_answer import TimingAnswer

Comparisons = Sequence[Comparison]


class _Record(NamedTuple):
    """One figure of one model, of the whole network or of a module."""

    model: str
    scope: str
    name: str
    metric: str
    delta: Delta


FIELDS: tuple[Field[_Record], ...] = (
    Field("model", "model", attrgetter("model")),
    Field("scope", "scope", attrgetter("scope"), output=Output.CSV),
    Field("name", "name", attrgetter("name"), output=Output.CSV),
    Field("metric", "metric", attrgetter("metric")),
    Field("before", "before", attrgetter("delta.before")),
    Field("after", "after", attrgetter("delta.after")),
    Field("delta", "delta", lambda record: _difference(record.delta)),
)


def compare_records(comparisons: Comparisons, timed: TimingAnswer | None = None) -> Table:
    """One row for each figure of each model: totals, and modules with the unchanged ones too.

    Measured medians, in nanoseconds, come last.
    """
    records = chain(_records(comparisons), _times(timed) if timed else ())
    return make_records("deltas", FIELDS, records)


def _times(timed: TimingAnswer) -> Iterator[_Record]:
    before = timed.baseline.statistics.p50
    for run in timed.others:
        delta = Delta(before, run.statistics.p50)
        yield _Record(run.name, "total", "", "latency-p50", delta)


def _records(comparisons: Comparisons) -> Iterator[_Record]:
    for comparison in comparisons:
        model = comparison.model.name
        for metric, delta in comparison.totals.items():
            yield _Record(model, "total", "", metric, delta)
        for module in comparison.modules:
            name = label(module.path, own=module.own)
            for metric, delta in module.figures.items():
                yield _Record(model, "module", name, metric, delta)


def compare_payload(
    comparisons: Comparisons, conditions: Conditions, convention: Convention
) -> dict[str, Any]:
    """Everything that differs, and all that does not, in raw integers."""
    baseline, totals = comparisons[0].baseline, comparisons[0].totals
    payload: dict[str, Any] = {
        "conditions": raw_conditions([conditions], convention),
        "baseline": baseline.name,
        "models": [
            {
                "name": baseline.name,
                "total": {metric: delta.before for metric, delta in totals.items()},
                **_step(baseline.trace, convention),
            }
        ],
        "deltas": make_entries(FIELDS, (r for r in _records(comparisons) if r.scope == "total")),
        **{key: [] for key in ("axes", "modules", "settings", "taps", "lint", "loading")},
    }
    for comparison in comparisons:
        name = comparison.model.name
        after = {metric: delta.after for metric, delta in comparison.totals.items()}
        entry = {"name": name, "total": after, "same": comparison.is_same}
        payload["models"].append(entry | _step(comparison.model.trace, convention))
        for key, entries in _differences(comparison):
            payload[key] += [{"model": name, **entry} for entry in entries]
    return payload


def _step(trace: Trace, convention: Convention) -> dict[str, Any]:
    """The parts of a training step, as `ucseg memory` and `ucseg flops` have them."""
    if trace.trained is None:
        return {}
    from ucseg_cli.analysis.counting.operations import flops_by_phase  # few are of training
    from ucseg_cli.analysis.memory.training_memory import training_peak
    from ucseg_cli.report.parts.trained.step_parts import peak_payload

    return {"train": {**peak_payload(training_peak(trace)), **flops_by_phase(trace, convention)}}


def _differences(comparison: Comparison) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """All but the totals of one model."""
    if (loading := comparison.loading) is not None:
        yield "loading", [loading_payload(comparison, loading)]
    axes = comparison.axes
    yield "axes", [{"axis": c.axis.name, "before": c.before, "after": c.after} for c in axes]
    yield "modules", [_module(module) for module in comparison.modules]
    yield "settings", settings_payload(comparison.settings)
    yield "taps", [_tap_change(tap) for tap in comparison.taps]
    lint = comparison.lint
    changed = [after for _, after in lint.altered]
    kinds = {"added": lint.added, "removed": lint.removed, "changed": changed}
    for kind, findings in kinds.items():
        yield "lint", [{"change": kind, **finding_payload(finding)} for finding in findings]


def _module(module: ModuleDelta) -> dict[str, Any]:
    return {
        "path": module.path,
        "type": module.type,
        "own": module.own,
        "was": module.was,
        "status": module.status,
        **{metric: _delta(module.figures[metric]) for metric in MODULE_METRICS},
    }


def _delta(delta: Delta) -> dict[str, int | None]:
    return {"before": delta.before, "after": delta.after, "delta": _difference(delta)}


def _difference(delta: Delta) -> int | None:
    return delta.delta if delta.known else None


def _tap_change(tap: TapDelta) -> dict[str, Any]:
    sides = {"before": _tap(tap.before), "after": _tap(tap.after)}
    return {"name": tap.name, "changed": tap.changed, **sides}


def _tap(tap: TapShape | None) -> dict[str, Any] | None:
    if tap is None:
        return None
    channels, height, width = tap.map or (None, None, None)
    lengths = {"channels": channels, "height": height, "width": width}
    return {**lengths, "stride": tap.whole_stride, "module": tap.module, "shape": tap.shape}
