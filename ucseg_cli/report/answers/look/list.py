"""``ucseg list``: the named variants, a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.references.variants import AXES, ORIGINS, Change, Variant, changes
from ucseg_cli.report.document import Kind, Report
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_records, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural


class _Named(NamedTuple):
    """A named variant and how it differs from the baseline."""

    name: str
    origin: str
    variant: Variant
    figures: Mapping[str, int]
    changes: Sequence[Change]


def list_report(subjects: Sequence[Subject], conditions: Conditions, settings: Settings) -> Report:
    """The named variants, ours and the project's, with parameters and MACs."""
    base, baseline = settings.family_baseline
    named = []
    for subject in subjects:
        name, variant = subject.name, settings.variants[subject.name]
        origin = ORIGINS.get(name) or f"configured at {settings.place_of(name)}"
        differences = changes(baseline.values, variant.values)
        named.append(_Named(name, origin, variant, totals(subject.trace), differences))
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
        Field("params", "parameters", lambda named: named.figures["params"], Kind.QUANTITY),
        Field("macs", "MACs", lambda named: named.figures["macs"], Kind.QUANTITY),
        Field("changes", f"differs from {base} in", _differences, Kind.PROSE, output=tables),
        Field("axes", "", _axes, output=json),
        Field("changes", "", _raw_changes, output=json),
    )


def _axes(named: _Named) -> dict[str, Any]:
    return {axis.name: getattr(named.variant, axis.name) for axis in AXES}


def _differences(named: _Named) -> str:
    phrases = [f"{change.axis.name} {change.axis.show(change.after)}" for change in named.changes]
    return ", ".join(phrases) or "nothing"


def _raw_changes(named: _Named) -> list[dict[str, Any]]:
    return [
        {"axis": change.axis.name, "before": change.before, "after": change.after}
        for change in named.changes
    ]
