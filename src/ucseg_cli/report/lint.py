"""``ucseg lint``: what is wasted or will hurt, with evidence, and the mended variant with what it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ucseg_cli.analysis.lint import Finding
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.totals import METRICS
from ucseg_cli.conditions import Conditions
from ucseg_cli.report.document import Column, Kind, Report, Row, Table
from ucseg_cli.report.header import raw_conditions, shown_conditions
from ucseg_cli.report.module_table import label
from ucseg_cli.units import format_bytes, format_count, plural

COLUMNS = (
    Column("code", "rule"),
    Column("severity", "severity", Kind.STATUS, tier=1),
    Column("module", "module", Kind.PATH),
    Column("message", "finding", Kind.PROSE),
)
MEND_COLUMNS = (
    Column("code", "rule"),
    Column("reference", "instead"),
    Column("exact", "function", tier=2),
    Column("saving", "saves", Kind.PROSE, tier=1),
)
SHOWN_SAVINGS = ("params", "fvcore", "peak-memory")

Savings = Mapping[str, Mapping[str, int]]
"""By the reference of a mended variant, what it saves under every metric; less than nothing is a cost."""


def mended_reference(subject: Subject, finding: Finding) -> str | None:
    """The variant that mends a finding, as it can be typed."""
    changes = "".join(f"+{axis}={value}" for axis, value in finding.mend.items())
    return f"{subject.name}{changes}" if changes else None


def lint_report(subject: Subject, conditions: Conditions, findings: Sequence[Finding], savings: Savings) -> Report:
    """The findings of a model, and for those that an axis mends, the reference to type and its exact saving."""
    summary = _summary(subject, conditions, findings)
    mended = [(each, reference) for each in findings if (reference := mended_reference(subject, each))]
    return Report(
        kind="ucseg.lint",
        title=f"lint {subject.name}",
        conditions=shown_conditions([conditions]),
        tables=(
            Table("findings", "Findings", COLUMNS, tuple(map(_row, findings))),
            *([_mend_table(mended, savings)] if mended else []),
        ),
        summary=summary,
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "findings": [_finding(subject, each, savings) for each in findings],
            "verdict": {"findings": len(findings)},
        },
        notes=("`ucseg explain CODE` tells the reasoning and the source of a rule.",) if findings else (),
    )


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
    return Row((finding.rule.code, finding.rule.severity.name.lower(), finding_place(finding), finding.message))


def _mend_table(mended: Sequence[tuple[Finding, str]], savings: Savings) -> Table:
    rows = (
        Row((each.rule.code, reference, "the same" if each.exact else "another", _saving(savings[reference])))
        for each, reference in mended
    )
    return Table("mends", "Mends", MEND_COLUMNS, tuple(rows), "The same function means in eval mode, on any weights.")


def _saving(saved: Mapping[str, int]) -> str:
    """Each metric that changes, exactly; what costs more is said as a cost."""
    parts = []
    for name in SHOWN_SAVINGS:
        metric, count = METRICS[name], saved[name]
        write = format_bytes if metric.in_bytes else format_count
        if count:
            parts.append(f"{'' if count > 0 else 'costs '}{write(abs(count), exact=True)} {metric.title}")
    return ", ".join(parts) or "nothing"


def _finding(subject: Subject, finding: Finding, savings: Savings) -> dict[str, Any]:
    reference = mended_reference(subject, finding)
    mend = {"reference": reference, "exact": finding.exact, "saving": dict(savings[reference])} if reference else None
    return {**finding_payload(finding), "mend": mend}


def _summary(subject: Subject, conditions: Conditions, findings: Sequence[Finding]) -> str:
    where = f"{subject.name} at {conditions.size}"
    if not findings:
        return f"Nothing found in {where}."
    codes = dict.fromkeys(each.rule.code for each in findings)
    return f"{plural(len(findings), 'finding')} in {where}: {', '.join(codes)}."
