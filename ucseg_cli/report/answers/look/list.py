"""``ucseg list``: the named variants, a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.subject import Subject, default_axes
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.references.variants import ORIGINS, AxisValues, Change, Variant, changes
from ucseg_cli.report.document import Kind, Report
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_records, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural


class _Named(NamedTuple):
    """A named variant; its axes, and how it differs from the baseline or from the defaults."""

    name: str
    origin: str
    source: str | None
    figures: Mapping[str, int]
    axes: AxisValues
    changes: Sequence[Change]
    failure: str | None = None


def list_report(
    subjects: Sequence[Subject],
    conditions: Conditions,
    settings: Settings,
    failures: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """The named variants, ours and the project's, with parameters and MACs.

    *failures* say by name why a model of the project's cannot be built.
    """
    base, _ = settings.family_baseline
    by_name = {subject.name: subject for subject in subjects}
    named = [
        _named(name, by_name.get(name), settings, failures.get(name)) for name in settings.variants
    ]
    fields = _fields(base)
    count, default = plural(len(named), "named variant"), settings.default.name
    return Report(
        kind="ucseg.list",
        title="list",
        conditions=shown_conditions([conditions]),
        tables=(make_table("variants", "Named variants", fields, named),),
        summary=f"{count}; {default} is the default, and NAME+AXIS=VALUE changes an axis.",
        payload={
            "conditions": raw_conditions([conditions]),
            "baseline": base,
            "default": default,
            "variants": make_entries(fields, named),
        },
        records=make_records("variants", fields, named),
        notes=(f"v1 is {ORIGINS['v1']}: what that list does not name is as in v2.",),
    )


def _fields(base: str) -> Fields[_Named]:
    tables, json = Output.TABLES, Output.JSON
    return (
        Field("name", "variant", lambda named: named.name),
        Field("origin", "", lambda named: named.origin, output=json),
        Field("params", "parameters", lambda named: named.figures.get("params"), Kind.QUANTITY),
        Field("macs", "MACs", lambda named: named.figures.get("macs"), Kind.QUANTITY),
        Field("changes", f"differs from {base} in", _differences, Kind.PROSE, output=tables),
        Field("from", "", lambda named: named.source, output=json),
        Field("axes", "", _axes, output=json),
        Field("changes", "", _raw_changes, output=json),
    )


def _named(name: str, subject: Subject | None, settings: Settings, failure: str | None) -> _Named:
    model, (_, baseline) = settings.variants[name], settings.family_baseline
    origin = ORIGINS.get(name) or f"configured at {settings.place_of(name)}"
    figures = totals(subject.trace) if subject else {}
    if isinstance(model, Variant):
        differs = changes(baseline.values, model.values)
        return _Named(name, origin, None, figures, model.values, differs)
    axes = subject.constructor_axes if subject else ()
    defaults = default_axes(subject.trace) if subject else ()
    return _Named(name, origin, str(model), figures, axes, changes(defaults, axes), failure)


def _axes(named: _Named) -> dict[str, Any]:
    return {axis.name: value for axis, value in named.axes}


def _differences(named: _Named) -> str:
    """The axes that are set, after the source of a variant that is not of the family."""
    if named.failure is not None:
        return f"{named.source}: {named.failure}"
    changed = (f"{change.axis.name} {change.axis.show(change.after)}" for change in named.changes)
    phrases = ", ".join(changed)
    if named.source is None:
        return phrases or "nothing"
    return f"{named.source}, {phrases}" if phrases else named.source


def _raw_changes(named: _Named) -> list[dict[str, Any]]:
    return [
        {"axis": change.axis.name, "before": change.before, "after": change.after}
        for change in named.changes
    ]
