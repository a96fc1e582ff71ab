"""What the fixed variants of a linter's findings save, measured."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.rules.fixes import Savings, fix_reference
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
    """By the reference of each fixed variant, what it saves under every metric."""
    references = {
        reference for finding in findings if (reference := fix_reference(subject, finding))
    }
    if not references:
        return {}
    before = totals(subject.trace)
    fixed = measure(sorted(references), conditions, settings, cache=cache)
    return {each.name: _saved(before, totals(each.trace)) for each in fixed}


def _saved(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {metric: before[metric] - after[metric] for metric in METRICS}
