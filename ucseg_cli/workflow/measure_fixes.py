"""The savings of the linter's fixes, measured."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.rules.fixes import Saving, Savings, fix_reference
from ucseg_cli.analysis.rules.lint_checks import Finding
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.workflow.measure import measure


def measure_savings(
    subject: Subject,
    findings: Iterable[Finding],
    conditions: Conditions,
    settings: Settings,
    *,
    cache: Cache | None,
) -> Savings:
    """By the reference of each fixed variant, what it saves under every metric.

    Both sides are of one implementation: a user's own model that was recognised as a variant may
    differ from it in what no fix changes, such as the order of operators or frozen parameters.
    """
    names = {fix_reference(subject, finding) for finding in findings} - {None}
    if not names:
        return {}
    without = {subject.known_as} - {None}
    references = [settings.find(name) for name in sorted(filter(None, names | without))]
    models = measure(references, [conditions.by_place], settings, cache=cache)
    after = {model.name: totals(model.trace) for model in models}
    before = after[subject.known_as] if subject.known_as else totals(subject.trace)
    return {
        name: Saving({metric: before[metric] - total[metric] for metric in METRICS}, before)
        for name, total in after.items()
        if name in names
    }
