"""The names that a configuration may use, gathered from where each is made."""

from __future__ import annotations

from ucseg_cli.analysis.conventions import CONVENTIONS
from ucseg_cli.analysis.lint_catalogue import RULES
from ucseg_cli.analysis.totals import METRICS
from ucseg_cli.conditions import DTYPES
from ucseg_cli.config.budgets import Vocabulary
from ucseg_cli.settings import FAIL_ON


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
