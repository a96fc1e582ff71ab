"""``ucseg verify``: our counts beside those of other counters that were run for real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ucseg_cli.analysis.counters.agreement import Agreement, Difference
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Column, Judgement, Kind, Report, Row, Table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural

COLUMNS = (
    Column("status", "status", Kind.STATUS),
    Column("counter", "counter"),
    Column("runs", "runs", tier=2),
    Column("ours", "ours", Kind.EXACT),
    Column("theirs", "theirs", Kind.EXACT),
    Column("compared", "figures compared", Kind.EXACT, tier=2),
    Column("differences", "differences", Kind.EXACT),
)
NAMES = {
    "numel": "sum(p.numel())",
    "fvcore": "fvcore.nn.FlopCountAnalysis",
    "torch": "torch.utils.flop_counter.FlopCounterMode",
}


def verify_report(
    subject: Subject, conditions: Conditions, agreements: Sequence[Agreement]
) -> Report:
    """Every counter, and every figure on which one differs from ours."""
    summary = _summary(subject, conditions, agreements)
    differing = [
        (agreement, difference) for agreement in agreements for difference in agreement.differences
    ]
    return Report(
        kind="ucseg.verify",
        title=f"verify {subject.name}",
        conditions=shown_conditions([conditions]),
        tables=(
            Table(
                "counters", "Counters, run on real tensors", COLUMNS, tuple(map(_row, agreements))
            ),
            *([_differences_table(differing)] if differing else []),
        ),
        summary=summary,
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "counters": [_counter(agreement) for agreement in agreements],
            "verdict": {"status": "differs" if differing else "agrees"},
        },
        judgements=tuple(_judgement(subject, agreement) for agreement in agreements),
    )


def _row(agreement: Agreement) -> Row:
    return Row(
        (
            "agrees" if agreement.agrees else "differs",
            agreement.counter,
            NAMES[agreement.counter],
            agreement.ours,
            agreement.theirs,
            agreement.compared,
            len(agreement.differences),
        )
    )


def _judgement(subject: Subject, agreement: Agreement) -> Judgement:
    counted = f"{agreement.counter} counts {agreement.theirs:,}, ucseg {agreement.ours:,}"
    differences = plural(len(agreement.differences), "difference")
    message = f"{counted}; {differences} in {plural(agreement.compared, 'figure')}"
    return Judgement(
        agreement.counter, subject.name, "pass" if agreement.agrees else "fail", message
    )


def _differences_table(differing: Sequence[tuple[Agreement, Difference]]) -> Table:
    columns = (
        Column("counter", "counter"),
        Column("scope", "scope"),
        Column("name", "name", Kind.PATH),
        Column("ours", "ours", Kind.EXACT),
        Column("theirs", "theirs", Kind.EXACT),
    )
    rows = tuple(Row((a.counter, d.scope, d.name, d.ours, d.theirs)) for a, d in differing)
    return Table("differences", "Differences", columns, rows)


def _counter(agreement: Agreement) -> dict[str, Any]:
    return {
        "name": agreement.counter,
        "convention": agreement.convention,
        "total": agreement.theirs,
        "ours": agreement.ours,
        "compared": agreement.compared,
        "agrees": agreement.agrees,
        "differences": [
            {
                "scope": difference.scope,
                "name": difference.name,
                "ours": difference.ours,
                "theirs": difference.theirs,
            }
            for difference in agreement.differences
        ],
    }


def _summary(subject: Subject, conditions: Conditions, agreements: Sequence[Agreement]) -> str:
    figures = sum(agreement.compared for agreement in agreements)
    where = f"{subject.name} at {conditions.at}"
    differing = [agreement.counter for agreement in agreements if not agreement.agrees]
    compared = plural(figures, "figure")
    if differing:
        count = sum(len(agreement.differences) for agreement in agreements)
        return f"{', '.join(differing)} and ucseg differ on {where} in {count:,} of {compared}."
    counters = plural(len(agreements), "counter")
    return f"{counters} and ucseg agree on {where} to the last unit, in {compared}."
