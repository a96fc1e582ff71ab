"""The names that a configuration may use, gathered from where each is made."""

from __future__ import annotations

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.facts.conditions import DTYPES
from ucseg_cli.facts.settings import FAIL_ON
from ucseg_cli.project.budget_section import Vocabulary


def vocabulary() -> Vocabulary:
    """Every metric, dtype, convention, rule and severity."""
    return Vocabulary(
        metrics=tuple(METRICS),
        in_bytes=frozenset(name for name, metric in METRICS.items() if metric.in_bytes),
        of_the_whole=frozenset(name for name, metric in METRICS.items() if not metric.additive),
        dtypes=DTYPES,
        conventions=tuple(CONVENTIONS),
        rules=tuple(RULES),
        severities=FAIL_ON,
    )
