"""Fixes that lint proposes: the reference to type, what each saves, and which findings fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ucseg_cli.analysis.rules.lint_catalogue import Severity
from ucseg_cli.analysis.rules.lint_checks import Finding
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.references import with_axes


class Saving(NamedTuple):
    """The amounts *saved* under every metric, *of* the totals without a fix; below 0 it costs."""

    saved: Mapping[str, int]
    of: Mapping[str, int]


Savings = Mapping[str, Saving]
"""By the reference of a fixed variant."""


class Scope(NamedTuple):
    """The codes of the rules that ran, and the least severity that fails; None for never."""

    codes: frozenset[str]
    fails_from: Severity | None = None

    @classmethod
    def failing_from(cls, codes: frozenset[str], severity: str) -> Scope:
        """The scope in which findings of a *severity* fail, as a word of FAIL_ON says it."""
        return cls(codes, None if severity == "never" else Severity[severity.upper()])

    def status(self, finding: Finding) -> str:
        """``fail``, or as severe as the rule is: ``warn`` or ``info``."""
        severity = finding.rule.severity
        if self.fails_from is not None and severity >= self.fails_from:
            return "fail"
        return "info" if severity is Severity.INFO else "warn"


def fix_reference(subject: Subject, finding: Finding) -> str | None:
    """The variant that fixes a finding, as it can be typed."""
    return with_axes(subject.known_as or subject.name, finding.fix) if finding.fix else None
