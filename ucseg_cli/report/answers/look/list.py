"""``ucseg list``: the named variants, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.references.variants import AXES, ORIGINS, Change, changes
from ucseg_cli.report.document import Column, Kind, Report, Row, Table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural


def list_report(subjects: Sequence[Subject], conditions: Conditions, settings: Settings) -> Report:
    """The named variants, ours and the project's, with parameters and MACs."""
    figures = [totals(subject.trace) for subject in subjects]
    base, baseline = settings.family_baseline
    differences = {name: changes(baseline, variant) for name, variant in settings.variants.items()}
    columns = (
        Column("name", "variant"),
        Column("params", "parameters", Kind.QUANTITY),
        Column("macs", "MACs", Kind.QUANTITY),
        Column("changes", f"differs from {base} in", Kind.PROSE),
    )
    rows = tuple(
        Row((s.name, f["params"], f["macs"], _differences(differences[s.name])))
        for s, f in zip(subjects, figures, strict=True)
    )
    return Report(
        kind="ucseg.list",
        title="list",
        conditions=shown_conditions([conditions]),
        tables=(Table("variants", "Named variants", columns, rows),),
        summary=f"{plural(len(rows), 'named variant')}; {settings.default} is the default, and NAME+AXIS=VALUE changes an axis.",
        payload={
            "conditions": raw_conditions([conditions]),
            "baseline": base,
            "default": settings.default,
            "variants": [
                {
                    "name": subject.name,
                    "origin": _origin(subject.name, settings),
                    "params": total["params"],
                    "macs": total["macs"],
                    "axes": {
                        axis.name: getattr(settings.variants[subject.name], axis.name)
                        for axis in AXES
                    },
                    "changes": [
                        {"axis": change.axis.name, "before": change.before, "after": change.after}
                        for change in differences[subject.name]
                    ],
                }
                for subject, total in zip(subjects, figures, strict=True)
            ],
        },
        notes=(f"v1 is {ORIGINS['v1']}: what that list does not name is as in v2.",),
    )


def _origin(name: str, settings: Settings) -> str:
    return ORIGINS[name] if name in ORIGINS else f"configured at {settings.place_of(name)}"


def _differences(changes: Sequence[Change]) -> str:
    return (
        ", ".join(f"{change.axis.name} {change.axis.show(change.after)}" for change in changes)
        or "nothing"
    )
