"""``ucseg lint``: what is wasted or will hurt, with evidence, and the fixed variant with what it saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ucseg_cli.analysis.counting.conventions import DEFAULT_CONVENTION
from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.rules.fixes import Savings, Scope, fix_reference
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.analysis.rules.lint_checks import Finding
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.budget import Place
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Column, Judgement, Kind, Report, Row, Table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import exact_ratio, format_bytes, format_count, format_percent, plural

COLUMNS = (
    Column("code", "rule"),
    Column("severity", "severity", Kind.STATUS),
    Column("module", "module", Kind.PATH),
    Column("message", "finding", Kind.PROSE),
)
FIX_COLUMNS = (
    Column("code", "rule"),
    Column("reference", "instead"),
    Column("exact", "function"),
    Column("saving", "saves", Kind.PROSE, tier=1),
)
SHOWN_SAVINGS = ("params", "fvcore", "peak-memory")


def lint_report(
    subject: Subject,
    conditions: Conditions,
    findings: Sequence[Finding],
    savings: Savings,
    *,
    scope: Scope,
    place: Place | None,
) -> Report:
    """The findings of a model, and for those that an axis fixes, the reference to type and its exact saving.

    *scope* is what was looked for, and from when on it fails; *place* is the line that defines the model, else the first of the
    configuration; None where nothing is configured.
    """
    summary = _summary(subject, conditions, findings, savings)
    fixed = {
        (each.rule.code, reference): each
        for each in findings
        if (reference := fix_reference(subject, each)) is not None
    }
    return Report(
        kind="ucseg.lint",
        title=f"lint {subject.name}",
        conditions=shown_conditions([conditions]),
        tables=(
            Table("findings", "Findings", COLUMNS, tuple(map(_row, findings))),
            *([_fix_table(subject, fixed, savings)] if fixed else []),
        ),
        summary=summary,
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "findings": [_finding(subject, each, savings) for each in findings],
            "verdict": {"findings": len(findings)},
        },
        notes=("`ucseg explain CODE` tells the reasoning and the source of a rule.",)
        if findings
        else (),
        judgements=tuple(_judgements(subject, findings, scope, place)),
        rules=tuple(RULES[code] for code in RULES if code in scope.codes),
    )


def _judgements(
    subject: Subject, findings: Sequence[Finding], scope: Scope, place: Place | None
) -> Iterator[Judgement]:
    """Each finding, and each rule that was looked for and found nothing."""
    path, line = place or (None, None)
    for each in findings:
        weight = Fraction(each.rule.severity)
        message = f"{finding_place(each)} of {subject.name}: {each.message}"
        yield Judgement(
            each.rule.code,
            subject.name,
            scope.status(each),
            message,
            path,
            line,
            weight,
            each.module,
        )
    for code in sorted(scope.codes - {each.rule.code for each in findings}):
        yield Judgement(code, subject.name, "pass", "nothing found", path, line)


def finding_payload(finding: Finding) -> dict[str, Any]:
    """A finding in raw values."""
    return {
        "code": finding.rule.code,
        "severity": finding.rule.severity.name.lower(),
        "module": finding.module,
        "message": finding.message,
        "evidence": dict(finding.evidence),
    }


def finding_place(finding: Finding) -> str:
    """Where it is, as module tables call it."""
    return label(finding.module, own=not finding.module)


def _row(finding: Finding) -> Row:
    return Row(
        (
            finding.rule.code,
            finding.rule.severity.name.lower(),
            finding_place(finding),
            finding.message,
        )
    )


def _fix_table(
    subject: Subject, fixed: Mapping[tuple[str, str], Finding], savings: Savings
) -> Table:
    rows = (
        Row(
            (
                code,
                reference,
                "the same" if each.exact else "another",
                _saving(savings[reference], totals(subject.trace)),
            )
        )
        for (code, reference), each in fixed.items()
    )
    return Table(
        "fixes",
        "Fixes",
        FIX_COLUMNS,
        tuple(rows),
        "The same function means in eval mode, on any weights.",
    )


def _saving(saved: Mapping[str, int], before: Mapping[str, int]) -> str:
    """Each metric that changes, exactly; what costs more is said as a cost."""
    parts = []
    for name in SHOWN_SAVINGS:
        metric, count = METRICS[name], saved[name]
        write = format_bytes if metric.in_bytes else format_count
        if count:
            share = format_percent(exact_ratio(abs(count), before[name]))
            parts.append(
                f"{'' if count > 0 else 'costs '}{write(abs(count), exact=True)} {metric.title} ({share})"
            )
    return ", ".join(parts) or "nothing"


def _finding(subject: Subject, finding: Finding, savings: Savings) -> dict[str, Any]:
    reference = fix_reference(subject, finding)
    fix = (
        {"reference": reference, "exact": finding.exact, "saving": dict(savings[reference])}
        if reference
        else None
    )
    return {**finding_payload(finding), "fix": fix}


def _summary(
    subject: Subject, conditions: Conditions, findings: Sequence[Finding], savings: Savings
) -> str:
    where = f"{subject.name} at {conditions.at}"
    if not findings:
        return f"Nothing found in {where}."
    counts = Counter(each.rule.severity for each in findings)
    tally = " and ".join(plural(count, severity.name.lower()) for severity, count in counts.items())
    return f"{tally} in {where}{_best_fix(subject, findings, savings)}."


def _best_fix(subject: Subject, findings: Sequence[Finding], savings: Savings) -> str:
    """The fix that computes the same function and saves most, if there is one."""
    exact = {
        each.rule.code: reference
        for each in findings
        if each.exact and (reference := fix_reference(subject, each)) is not None
    }
    saved = {code: savings[reference][DEFAULT_CONVENTION] for code, reference in exact.items()}
    if not saved or max(saved.values()) <= 0:
        return ""
    code = max(saved, key=lambda each: saved[each])
    share = format_percent(exact_ratio(saved[code], totals(subject.trace)[DEFAULT_CONVENTION]))
    return f"; {exact[code]} computes the same with {share} fewer fvcore FLOPs ({code})"
