"""``ucseg flops``: operations by module and by operator under a convention, and what it does not count."""

from __future__ import annotations

from typing import Any

from ucseg_cli.analysis.counters.peers import reconcile
from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows, partition
from ucseg_cli.analysis.counting.operations import (
    flops_by_operator,
    own_flops,
    total_flops,
    uncounted,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.report.document import Column, Highlight, Kind, Report, Role, Row, Table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import Arrangement, arrange, only_data
from ucseg_cli.report.parts.reconciliation_tables import (
    reconciliation_payload,
    reconciliation_tables,
)
from ucseg_cli.units import exact_ratio, format_count, format_percent, plural


def flops_report(
    subject: Subject,
    conditions: Conditions,
    convention: Convention,
    arrangement: Arrangement,
    *,
    reconciled: bool = False,
) -> Report:
    """Operations of a model under a convention; where *reconciled*, also what other counters print and why."""
    trace = subject.trace
    others = reconcile(trace) if reconciled else ()
    total = total_flops(trace)
    rows = module_rows(trace, own_flops(trace), max_depth=arrangement.depth)
    return Report(
        kind="ucseg.flops",
        title=f"flops {subject.name}",
        conditions=shown_conditions([conditions], convention),
        tables=(
            _module_table(trace, rows, convention, total, arrangement),
            _operator_table(trace, convention, total[convention.name]),
            _uncounted_table(trace, convention),
            *(reconciliation_tables(others) if reconciled else ()),
        ),
        summary=_summary(subject, convention, total[convention.name], rows),
        payload={
            "conditions": raw_conditions([conditions], convention),
            "model": subject.name,
            "total": total,
            "modules": [_module(row) for row in rows],
            "operators": _operators(trace),
            "uncounted": [
                {"op": item.op, "calls": item.calls} for item in uncounted(trace, convention)
            ],
            **({"reconciliation": reconciliation_payload(others)} if reconciled else {}),
        },
        records=only_data(_module_table(trace, partition(rows), convention, total, arrangement)),
        highlights=tuple(
            Highlight(CONVENTIONS[name].title, count) for name, count in total.items()
        ),
        notes=(convention.meaning,),
    )


def _module_table(
    trace: Trace,
    rows: list[TreeRow],
    convention: Convention,
    total: dict[str, int],
    arrangement: Arrangement,
) -> Table:
    others = [other for other in CONVENTIONS.values() if other is not convention]
    whole = total[convention.name]

    def cells(path: str, module_type: str, figures: dict[str, int]) -> tuple[Any, ...]:
        count = figures.get(convention.name, 0)
        rest = (figures.get(other.name, 0) for other in others)
        return (path, module_type, count, exact_ratio(count, whole), *rest)

    columns = (
        Column("path", "module", Kind.PATH),
        Column("type", "type", Kind.TEXT, tier=2),
        Column(convention.name, convention.title, Kind.QUANTITY),
        Column("share", "share", Kind.SHARE, tier=1),
        *(Column(other.name, other.title, Kind.QUANTITY, tier=3) for other in others),
    )
    sum_row = Row(cells("total", trace.modules[0].type, total), role=Role.TOTAL)
    arranged = arrange(rows, arrangement, convention.name, cells)
    return Table("modules", "Operations by module", columns, (*arranged, sum_row))


def _operator_table(trace: Trace, convention: Convention, whole: int) -> Table:
    by_operator = flops_by_operator(trace, convention)
    rows = [
        Row((label, calls, count, exact_ratio(count, whole)))
        for label, (calls, count) in by_operator.items()
    ]
    sum_row = Row(
        (
            "total",
            sum(calls for calls, _ in by_operator.values()),
            whole,
            exact_ratio(whole, whole),
        ),
        role=Role.TOTAL,
    )
    columns = (
        Column("operator", "operator"),
        Column("calls", "calls", Kind.EXACT),
        Column(convention.name, convention.title, Kind.QUANTITY),
        Column("share", "share", Kind.SHARE, tier=1),
    )
    return Table("operators", "Operations by operator", columns, (*rows, sum_row))


def _uncounted_table(trace: Trace, convention: Convention) -> Table:
    rows = tuple(Row((item.op, item.calls)) for item in uncounted(trace, convention))
    columns = (Column("op", "operator"), Column("calls", "calls", Kind.EXACT))
    return Table("uncounted", f"Not counted by {convention.name}", columns, rows)


def _operators(trace: Trace) -> list[dict[str, Any]]:
    """One entry for each operator that any convention prices; null under those that do not."""
    counted = {
        name: flops_by_operator(trace, convention) for name, convention in CONVENTIONS.items()
    }
    labels = dict.fromkeys(label for by_operator in counted.values() for label in by_operator)
    return [
        {
            "operator": label,
            "calls": max(
                by_operator[label][0] for by_operator in counted.values() if label in by_operator
            ),
            **{
                name: by_operator[label][1] if label in by_operator else None
                for name, by_operator in counted.items()
            },
        }
        for label in labels
    ]


def _module(row: TreeRow) -> dict[str, Any]:
    return {
        "path": row.path,
        "type": row.type,
        "own": row.own,
        **{name: row.figures.get(name, 0) for name in CONVENTIONS},
    }


def _summary(subject: Subject, convention: Convention, total: int, rows: list[TreeRow]) -> str:
    missed = uncounted(subject.trace, convention)
    left_out = f"; {plural(sum(item.calls for item in missed), 'call')} of {plural(len(missed), 'operator')} are not counted"
    heaviest = max(
        (row for row in rows if row.depth == 1),
        key=lambda row: row.figures.get(convention.name, 0),
        default=None,
    )
    where = ""
    if heaviest is not None and total:
        share = format_percent(exact_ratio(heaviest.figures.get(convention.name, 0), total))
        where = f", {share} of them in {heaviest.path or 'the model itself'}"
    return f"{subject.name} takes {format_count(total, exact=True)} {convention.noun}{where}{left_out if missed else ''}."
