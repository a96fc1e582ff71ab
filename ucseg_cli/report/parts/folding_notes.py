"""Notes of a report about networks as they are deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ucseg_cli.analysis.subject import Subject
from ucseg_cli.report.document import Report
from ucseg_cli.units import plural

if TYPE_CHECKING:
    from ucseg_cli.analysis.counting.fold_batch_norms import Folding


def after_folding(report: Report, subjects: Iterable[Subject]) -> Report:
    """The report with how many batch norms were folded, which were not, and why."""
    foldings = {
        subject.name: subject.folding for subject in subjects if subject.folding is not None
    }
    if not foldings:
        return report
    shown, named = _shown(foldings)
    return report._replace(
        conditions={**report.conditions, "deploy": shown},
        notes=(*report.notes, *_notes(foldings)),
        summary=f"After folding {named}, {report.summary}",
        payload=_payload(report.payload, foldings),
    )


def _shown(foldings: Mapping[str, Folding]) -> tuple[str, str]:
    """The counts as a condition, and as a noun in a sentence."""
    counts = {name: len(folding.folded) for name, folding in foldings.items()}
    first, *others = counts.values()
    if all(count == first for count in others):
        return f"{plural(first, 'batch norm')} folded", plural(first, "batch norm")
    return (
        f"batch norms folded: {', '.join(f'{name} {count}' for name, count in counts.items())}",
        "batch norms",
    )


def _notes(foldings: Mapping[str, Folding]) -> tuple[str, ...]:
    return tuple(
        f"The batch norm in {kept.module or 'the model itself'} of {name} is not folded: "
        f"{kept.reason}."
        for name, folding in foldings.items()
        for kept in folding.kept
    )


def _payload(payload: Mapping[str, Any], foldings: Mapping[str, Folding]) -> dict[str, Any]:
    deploy = [
        {
            "model": name,
            "folded": len(folding.folded),
            "kept": [kept._asdict() for kept in folding.kept],
        }
        for name, folding in foldings.items()
    ]
    return {**payload, "conditions": {**payload["conditions"], "deploy": deploy}}
