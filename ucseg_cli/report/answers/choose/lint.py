"""``ucseg lint``: what is wasted or will hurt, with evidence, and the fixes with what they save."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.rules.fixes import Saving, Savings, Scope, fix_reference
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.analysis.rules.lint_checks import Finding
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import Place
from ucseg_cli.facts.choices import DEFAULT_CONVENTION
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Judgement, Kind, Report
from ucseg_cli.report.fields import Field, Output, make_entry, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import exact_ratio, format_bytes, format_count, format_percent, plural

SHOWN_SAVINGS = ("params", DEFAULT_CONVENTION, "peak-memory")


class Fix(NamedTuple):
    """A variant to try instead, and what it saves under every metric."""

    code: str
    reference: str
    exact: bool | None
    saving: Saving

    @property
    def output(self) -> str:
        """Whether it computes the same function."""
        return "identical" if self.exact else "changes"

    @property
    def saves(self) -> str:
        """Each metric that changes, exactly; a cost is called one."""
        parts = []
        for name in SHOWN_SAVINGS:
            metric, count = METRICS[name], self.saving.saved[name]
            write = format_bytes if metric.in_bytes else format_count
            if count:
                share = format_percent(exact_ratio(abs(count), self.saving.of[name]))
                amount = f"{write(abs(count), exact=True)} {metric.title} ({share})"
                parts.append(amount if count > 0 else f"costs {amount}")
        return ", ".join(parts) or "no cost change"


def finding_place(finding: Finding) -> str:
    """Where it is, as module tables call it."""
    return label(finding.module, own=not finding.module)


FIELDS: tuple[Field[Finding], ...] = (
    Field("code", "rule", attrgetter("rule.code")),
    Field("severity", "severity", lambda f: f.rule.severity.name.lower(), Kind.STATUS),
    Field("module", "module", finding_place, Kind.PATH, output=Output.TABLES),
    Field("module", "module", attrgetter("module"), output=Output.JSON),
    Field("message", "finding", attrgetter("message"), Kind.PROSE),
    Field("evidence", "evidence", lambda f: dict(f.evidence), output=Output.JSON),
)
FIX_FIELDS: tuple[Field[Fix], ...] = (
    Field("code", "rule", attrgetter("code"), output=Output.SCREEN),
    Field("reference", "try", attrgetter("reference")),
    Field("output", "output", attrgetter("output"), output=Output.SCREEN),
    Field("saves", "saves", attrgetter("saves"), Kind.PROSE, output=Output.SCREEN),
    Field("exact", "exact", attrgetter("exact"), output=Output.JSON),
    Field("saving", "saving", lambda fix: dict(fix.saving.saved), output=Output.JSON),
)


def lint_report(
    subject: Subject,
    conditions: Conditions,
    findings: Sequence[Finding],
    savings: Savings,
    *,
    scope: Scope,
    place: Place | None,
) -> Report:
    """The findings of a model, and the fix of each that an axis can fix.

    *scope* is what was looked for and what fails; *place* is the line that defines the model, else
    the first of the configuration; None if nothing is configured.
    """
    fixes = [_fix(subject, finding, savings) for finding in findings]
    tables = [make_table("findings", "Findings", FIELDS, findings)]
    if different := {(fix.code, fix.reference): fix for fix in fixes if fix}:
        note = "Identical: the same output in eval mode, whatever the weights."
        if subject.known_as:
            note += f" Savings are of the built-in {subject.known_as}, with and without the fix."
        tables.append(make_table("fixes", "Fixes", FIX_FIELDS, different.values(), note))
    explain = "`ucseg explain CODE` gives the reasoning and the source of a rule."
    entries = zip(findings, fixes, strict=True)
    return Report(
        kind="ucseg.lint",
        title=f"lint {subject.name}",
        conditions=shown_conditions([conditions]),
        tables=tuple(tables),
        summary=_summary(subject, conditions, findings, [*different.values()], scope),
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "findings": [
                {**finding_payload(finding), "fix": fix and make_entry(FIX_FIELDS, fix)}
                for finding, fix in entries
            ],
            "verdict": {"findings": len(findings)},
        },
        notes=(explain,) if findings else (),
        judgements=tuple(_judgements(subject, findings, scope, place)),
        rules=tuple(RULES[code] for code in RULES if code in scope.codes),
    )


def _fix(subject: Subject, finding: Finding, savings: Savings) -> Fix | None:
    reference = fix_reference(subject, finding)
    if reference is None:
        return None
    return Fix(finding.rule.code, reference, finding.exact, savings[reference])


def _judgements(
    subject: Subject, findings: Sequence[Finding], scope: Scope, place: Place | None
) -> Iterator[Judgement]:
    """Each finding, and each rule that was looked for and found nothing."""
    path, line = (place.path, place.line) if place else (None, None)
    for finding in findings:
        yield Judgement(
            name=finding.rule.code,
            group=subject.name,
            status=scope.status(finding),
            message=f"{finding_place(finding)} of {subject.name}: {finding.message}",
            path=path,
            line=line,
            weight=Fraction(finding.rule.severity),
            module=finding.module,
        )
    for code in sorted(scope.codes - {finding.rule.code for finding in findings}):
        yield Judgement(code, subject.name, "pass", "nothing found", path, line)


def finding_payload(finding: Finding) -> dict[str, Any]:
    """A finding in raw values."""
    return make_entry(FIELDS, finding)


def _summary(
    subject: Subject,
    conditions: Conditions,
    findings: Sequence[Finding],
    fixes: Sequence[Fix],
    scope: Scope,
) -> str:
    where = f"{subject.name} at {conditions.at}"
    if not findings:
        return f"Nothing found in {where}."
    counts = Counter(finding.rule.severity for finding in findings)
    tally = " and ".join(plural(count, severity.name.lower()) for severity, count in counts.items())
    return f"{tally} in {where}{_best_fix(fixes)}{_failing(findings, scope)}."


def _failing(findings: Sequence[Finding], scope: Scope) -> str:
    """How many of the findings fail the check, and by which setting."""
    failed = sum(scope.status(finding) == "fail" for finding in findings)
    if scope.fails_from is None or not failed:
        return ""
    verb = "fails" if failed == 1 else "fail"
    return f"; {failed} of them {verb} (fail-on {scope.fails_from.name.lower()})"


def _best_fix(fixes: Sequence[Fix]) -> str:
    """The fix with an identical output that saves most, if one saves anything."""
    exact = [fix for fix in fixes if fix.exact and fix.saving.saved[DEFAULT_CONVENTION] > 0]
    if not exact:
        return ""
    best = max(exact, key=lambda fix: fix.saving.saved[DEFAULT_CONVENTION])
    ratio = exact_ratio(best.saving.saved[DEFAULT_CONVENTION], best.saving.of[DEFAULT_CONVENTION])
    fewer = f"{format_percent(ratio)} fewer fvcore FLOPs"
    return f"; {best.reference} gives the same output with {fewer} ({best.code})"
