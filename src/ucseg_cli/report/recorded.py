"""What a report says of how its models were run, where that was not as always."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.subject import Subject
from ucseg_cli.report.document import Report


def as_recorded(report: Report, subjects: Iterable[Subject]) -> Report:
    """The report with which models did not run and why, and which ran on real tensors; as it is where there are none."""
    named = {subject.name: subject for subject in subjects}
    unusual = [each for each in named.values() if each.trace.failure is not None or each.trace.device != "meta"]
    if not unusual:
        return report
    runs = [{"model": each.name, "device": each.trace.device, "failure": each.trace.failure} for each in unusual]
    return report._replace(
        notes=(*report.notes, *map(_note, unusual)),
        payload={**report.payload, "conditions": {**report.payload["conditions"], "runs": runs}},
    )


def _note(subject: Subject) -> str:
    if subject.trace.failure is not None:
        return f"{subject.name} did not run, so there are no operations to count: {subject.trace.failure}."
    return (
        f"{subject.name} needs data to run, so it ran on random values and with random weights; "
        "what depends on values may differ with others."
    )
