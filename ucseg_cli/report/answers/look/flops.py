"""``ucseg flops``: operations by module and operator under a convention, and what has no price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ucseg_cli.analysis.counters.peers import reconcile
from ucseg_cli.analysis.counters.switches import plain_notes
from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention, tables_of
from ucseg_cli.analysis.counting.module_tree import Figures, TreeRow, module_rows
from ucseg_cli.analysis.counting.operations import (
    BACKWARD,
    FORWARD,
    Uncounted,
    flops_by_operator,
    flops_by_phase,
    own_flops,
    own_flops_by_phase,
    total_flops,
    uncounted,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.report.document import Highlight, Kind, Report, Role, Row, Table
from ucseg_cli.report.fields import Field, Fields, make_entries, make_row, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import (
    PLACE,
    Arrangement,
    count_of,
    module_records,
    module_table,
    share_of,
)
from ucseg_cli.report.parts.reconciliation_tables import RECONCILIATION, reconciliation_tables
from ucseg_cli.report.parts.trained.step_notes import grouped_conv_notes
from ucseg_cli.units import exact_ratio, format_count, format_percent, plural

if TYPE_CHECKING:
    from ucseg_cli.report.pictures.picture import Picture

UNCOUNTED: Fields[Uncounted] = (
    Field("op", "operator", lambda item: item.op),
    Field("calls", "calls", lambda item: item.calls, Kind.EXACT),
)


def flops_report(
    subject: Subject,
    conditions: Conditions,
    convention: Convention,
    arrangement: Arrangement,
    *,
    reconciled: bool = False,
) -> Report:
    """Operations of a model under a convention; *reconciled*: also what other counters print."""
    trace, metric = subject.trace, convention.name
    as_others_count = trace.with_prices(())
    others = reconcile(as_others_count) if reconciled else ()
    total, missed = total_flops(trace), uncounted(trace, convention)
    phases = flops_by_phase(trace, convention)
    rows = module_rows(trace, _own(trace, convention), max_depth=arrangement.depth)
    sum_row = TreeRow("total", trace.modules[0].type, 1, {**total, **phases})
    fields, title = _module_fields(trace, convention, total[metric]), "Operations by module"
    return Report(
        kind="ucseg.flops",
        title=f"flops {subject.name}",
        conditions=shown_conditions([conditions], convention),
        tables=(
            module_table(title, fields, rows, arrangement, metric, sum_row),
            _operator_table(trace, convention, total[metric]),
            make_table("uncounted", f"Not counted by {metric}", UNCOUNTED, missed),
            *(reconciliation_tables(others) if reconciled else ()),
        ),
        summary=_summary(subject, convention, total[metric], rows),
        payload={
            "conditions": raw_conditions([conditions], convention),
            "model": subject.name,
            "total": total,
            **({"train": phases} if trace.trained else {}),
            "modules": make_entries(fields, rows),
            "operators": _operators(trace),
            "uncounted": make_entries(UNCOUNTED, missed),
            **({"reconciliation": make_entries(RECONCILIATION, others)} if reconciled else {}),
        },
        pictures=lambda: _icicle(trace, convention),
        records=module_records(fields, rows, arrangement, metric),
        highlights=tuple(
            Highlight(CONVENTIONS[name].title, count) for name, count in total.items()
        ),
        notes=(
            convention.meaning,
            *_unseen(trace, convention),
            *grouped_conv_notes([trace], convention),
            *plain_notes(as_others_count, convention),
        ),
    )


def _icicle(trace: Trace, convention: Convention) -> tuple[Picture, ...]:
    # only a format that draws needs it
    from ucseg_cli.report.parts.drawn.module_icicle import Measured, module_icicles

    metric = Measured(convention.name, convention.title, convention.noun)
    return module_icicles(trace, own_flops(trace), metric)


def _own(trace: Trace, convention: Convention) -> dict[str, Figures]:
    """The operations of each module itself, by convention and by the parts of a training step."""
    own: dict[str, Figures] = {**own_flops(trace)}
    if trace.trained is None:
        return own
    phases = own_flops_by_phase(trace, convention)
    return {path: {**figures, **phases[path]} for path, figures in own.items()}


def _unseen(trace: Trace, convention: Convention) -> tuple[str, ...]:
    """A sentence where fvcore leaves out what a reader would expect it to count."""
    words = any(isinstance(op.attributes.get("padding"), str) for op in trace.ops)
    if convention.name != "fvcore" or not words:
        return ()
    return ("fvcore does not see convs whose padding is a word; -c macs and -c torch count them.",)


def _module_fields(trace: Trace, convention: Convention, whole: int) -> list[Field[TreeRow]]:
    name = convention.name
    others = [other for other in tables_of(trace).values() if other is not convention]
    phases = (FORWARD, BACKWARD) if trace.trained else ()
    return [
        *PLACE,
        *(Field(phase, phase, count_of(phase), Kind.QUANTITY, tier=2) for phase in phases),
        Field(name, convention.title, count_of(name), Kind.QUANTITY),
        Field("share", "share", share_of(name, whole), Kind.SHARE, tier=1),
        *(
            Field(other.name, other.title, count_of(other.name), Kind.QUANTITY, tier=3)
            for other in others
        ),
    ]


class _Operator(NamedTuple):
    """The calls of an operator, and what a convention counts for all of them."""

    label: str
    calls: int
    amount: int


def _operator_table(trace: Trace, convention: Convention, whole: int) -> Table:
    by_operator = flops_by_operator(trace, convention)
    operators = [_Operator(label, *figures) for label, figures in by_operator.items()]
    total = _Operator("total", sum(operator.calls for operator in operators), whole)
    fields: list[Field[_Operator]] = [
        Field("operator", "operator", lambda operator: operator.label),
        Field("calls", "calls", lambda operator: operator.calls, Kind.EXACT),
        Field(convention.name, convention.title, lambda operator: operator.amount, Kind.QUANTITY),
        Field("share", "share", lambda o: exact_ratio(o.amount, whole), Kind.SHARE, tier=1),
    ]
    rows: list[_Operator | Row] = [*operators, make_row(fields, total, role=Role.TOTAL)]
    return make_table("operators", "Operations by operator", fields, rows)


def _operators(trace: Trace) -> list[dict[str, Any]]:
    """An entry for each operator that any convention prices; null under those that do not."""
    known = tables_of(trace).items()
    counted = {name: flops_by_operator(trace, priced) for name, priced in known}
    labels = dict.fromkeys(label for by_operator in counted.values() for label in by_operator)
    entries = []
    for label in labels:
        found = {name: operators.get(label) for name, operators in counted.items()}
        calls = max(figures[0] for figures in found.values() if figures)
        counts = {name: figures[1] if figures else None for name, figures in found.items()}
        entries.append({"operator": label, "calls": calls, **counts})
    return entries


def _summary(subject: Subject, convention: Convention, total: int, rows: Sequence[TreeRow]) -> str:
    count = count_of(convention.name)
    where = left_out = ""
    if total and (modules := [row for row in rows if row.depth == 1]):
        heaviest = max(modules, key=count)
        share = format_percent(exact_ratio(count(heaviest), total))
        where = f", {share} of them in {heaviest.path or 'the model itself'}"
    if missed := uncounted(subject.trace, convention):
        calls = sum(item.calls for item in missed)
        are, operators = "is" if calls == 1 else "are", plural(len(missed), "operator")
        left_out = f"; {plural(calls, 'call')} of {operators} {are} not counted"
    takes = f"{subject.name} takes {format_count(total, exact=True)} {convention.noun}"
    return f"{takes}{where}{left_out}."
