"""``ucseg flops --intensity``: operations per byte moved, by module and operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.counting.metrics import METRICS, MOVED_BYTES
from ucseg_cli.analysis.counting.module_tree import Figures, TreeRow, module_rows, roll_up
from ucseg_cli.analysis.memory.traffic import (
    OperatorTraffic,
    own_intensity,
    traffic_by_operator,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.report.document import Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.fields import Field, Output, make_entries, make_row, make_table
from ucseg_cli.report.parts.module_table import (
    PLACE,
    Arrangement,
    count_of,
    module_records,
    module_table,
    share_of,
)
from ucseg_cli.units import MISSING, exact_ratio, format_percent, format_quotient

PER_BYTE = "per byte"
BOUND = (
    "Bytes are the inputs, weights and outputs of every kernel, each once. A module is bound by "
    "traffic if it does fewer operations per byte than the machine in the time to move one."
)


def with_intensity(
    report: Report,
    subject: Subject,
    convention: Convention,
    arrangement: Arrangement,
    dtype: str | None,
) -> Report:
    """The answer of ``ucseg flops`` with bytes beside operations, as if tensors were of *dtype*."""
    trace = subject.trace
    own = own_intensity(trace, dtype)
    whole = roll_up(trace, own)[""]
    rows = module_rows(trace, own, max_depth=arrangement.depth)
    fields = _module_fields(convention, whole)
    total = TreeRow("total", trace.modules[0].type, 1, whole)
    operators = traffic_by_operator(trace, convention, dtype)
    modules = module_table("Intensity by module", fields, rows, arrangement, MOVED_BYTES, total)
    as_if = {"dtype": dtype} if dtype else {}
    # operators without a price are among those of this table
    others = (table for table in report.tables[2:] if table.key != "uncounted")
    return report._replace(
        conditions={**report.conditions, **as_if},
        tables=(modules, _operator_table(convention, operators, whole), *others),
        summary=_summary(subject, convention, whole, rows),
        payload={
            **report.payload,
            "conditions": {**report.payload["conditions"], **as_if},
            "total": {**report.payload["total"], MOVED_BYTES: whole[MOVED_BYTES]},
            "modules": make_entries(fields, rows),
            "traffic": make_entries(_operator_fields(convention, whole), operators),
        },
        records=module_records(fields, rows, arrangement, MOVED_BYTES),
        highlights=(
            Highlight(convention.title, whole[convention.name]),
            Highlight(METRICS[MOVED_BYTES].title, whole[MOVED_BYTES], Unit.BYTES),
        ),
        notes=(*report.notes, BOUND),
    )


def _module_fields(convention: Convention, whole: Figures) -> list[Field[TreeRow]]:
    name, title = convention.name, METRICS[MOVED_BYTES].title
    others = (other for other in CONVENTIONS.values() if other is not convention)
    return [
        *PLACE,
        Field(name, convention.title, count_of(name), Kind.QUANTITY),
        Field("share", "share", share_of(name, whole[name]), Kind.RATIO, tier=1),
        Field(MOVED_BYTES, title, count_of(MOVED_BYTES), Kind.BYTES),
        Field(
            "moved_share", "share", share_of(MOVED_BYTES, whole[MOVED_BYTES]), Kind.SHARE, tier=1
        ),
        Field("per_byte", PER_BYTE, _per_byte(convention), Kind.QUOTIENT, output=Output.TABLES),
        *(
            Field(other.name, "", count_of(other.name), Kind.QUANTITY, output=Output.FILES)
            for other in others
        ),
    ]


def _per_byte(convention: Convention) -> Callable[[TreeRow], Fraction | None]:
    count, size = count_of(convention.name), count_of(MOVED_BYTES)
    return lambda row: exact_ratio(count(row), size(row))


def _operator_table(
    convention: Convention, operators: Sequence[OperatorTraffic], whole: Figures
) -> Table:
    fields = _operator_fields(convention, whole)
    calls = sum(operator.calls for operator in operators)
    total = OperatorTraffic("total", calls, whole[convention.name], whole[MOVED_BYTES])
    rows: list[OperatorTraffic | Row] = [*operators, make_row(fields, total, role=Role.TOTAL)]
    has_unpriced = any(operator.operations is None for operator in operators)
    note = f"{MISSING}: no price under {convention.name}." if has_unpriced else None
    return make_table("operators", "Intensity by operator", fields, rows, note)


def _operator_fields(convention: Convention, whole: Figures) -> list[Field[OperatorTraffic]]:
    name, title, size = convention.name, METRICS[MOVED_BYTES].title, whole[MOVED_BYTES]
    return [
        Field("operator", "operator", lambda one: one.label),
        Field("calls", "calls", lambda one: one.calls, Kind.EXACT, tier=1),
        Field(name, convention.title, lambda one: one.operations, Kind.QUANTITY),
        Field(MOVED_BYTES, title, lambda one: one.bytes, Kind.BYTES),
        Field("share", "share", lambda one: exact_ratio(one.bytes, size), Kind.SHARE, tier=1),
        Field(
            "per_byte",
            PER_BYTE,
            lambda one: exact_ratio(one.operations, one.bytes),
            Kind.QUOTIENT,
            output=Output.TABLES,
        ),
    ]


def _summary(
    subject: Subject, convention: Convention, whole: Figures, rows: Sequence[TreeRow]
) -> str:
    """The ratio of the network, and the module that moves most beyond its share of operations."""
    operations, size = whole[convention.name], whole[MOVED_BYTES]
    per_byte = exact_ratio(operations, size)
    if per_byte is None:
        return f"{subject.name} moves no bytes."
    ratio = f"{format_quotient(per_byte)} {convention.noun} for each byte it moves"
    does = f"{subject.name} does {ratio}"
    modules = [row for row in rows if row.depth == 1]
    if len(modules) < 2 or not operations:
        return f"{does}."

    def excess(row: TreeRow) -> Fraction:
        share = Fraction(row.figures[convention.name], operations)
        return Fraction(row.figures[MOVED_BYTES], size) - share

    most = max(modules, key=excess)
    moves = format_percent(exact_ratio(most.figures[MOVED_BYTES], size))
    takes = format_percent(exact_ratio(most.figures[convention.name], operations))
    where = most.path or "the model itself"
    return f"{does}; {where} moves {moves} of the bytes and takes {takes} of the operations."
