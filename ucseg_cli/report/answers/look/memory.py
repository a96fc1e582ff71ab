"""``ucseg memory``: the peak of activations, what is alive there, and what is held longer than it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ucseg_cli.analysis.memory.peak_memory import (
    Held,
    Peak,
    least_memory,
    peak_memory,
    weights_bytes,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Cell, Column, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import (
    exact_ratio,
    format_bytes,
    format_count,
    format_percent,
    format_shape,
    plural,
)

COLUMNS = (
    Column("module", "module", Kind.PATH),
    Column("op", "made by", tier=2),
    Column("shape", "shape", Kind.SHAPE, tier=1),
    Column("bytes", "bytes", Kind.BYTES),
    Column("share", "share", Kind.SHARE, tier=1),
    Column("needed", "still needed", tier=3),
)

NAMED = 6
"""How many storages a note names."""


def memory_report(
    subject: Subject, conditions: Conditions, dtype: str, *, top: int | None
) -> Report:
    """The peak of a model whose floating-point tensors are of *dtype*; only the *top* largest storages, the rest in one row."""
    peak, least = peak_memory(subject.trace, dtype), least_memory(subject.trace, dtype)
    weights = weights_bytes(subject.trace, dtype)
    return Report(
        kind="ucseg.memory",
        title=f"memory {subject.name}",
        conditions={**shown_conditions([conditions]), "dtype": dtype},
        tables=(_figures_table(peak, least, weights), _alive_table(peak, top)),
        summary=_summary(subject, conditions, peak, weights),
        payload={
            "conditions": {**raw_conditions([conditions]), "dtype": dtype},
            "model": subject.name,
            "dtype": dtype,
            "peak": _peak(peak),
            "least": _peak(least),
            "weights_bytes": weights,
        },
        records=Table("alive", "", COLUMNS, tuple(_row(held, peak.bytes) for held in peak.alive)),
        highlights=(
            Highlight("peak activations", peak.bytes, Unit.BYTES),
            Highlight("least in this order", least.bytes, Unit.BYTES),
            Highlight("weights and buffers", weights, Unit.BYTES),
        ),
        notes=(
            *_overdue_notes(peak),
            "What a kernel allocates for itself, and the allocator's rounding, are not seen.",
        ),
    )


def _figures_table(peak: Peak, least: Peak, weights: int) -> Table:
    overdue = _total(peak.overdue)
    rows: tuple[tuple[Cell, ...], ...] = (
        ("peak activations", peak.bytes, *_at(peak)),
        ("of them the input", peak.input_bytes, None, None),
        ("of them no longer needed", overdue, None, None),
        ("least in this order of operators", least.bytes, *_at(least)),
        ("weights and buffers", weights, None, None),
    )
    columns = (
        Column("figure", "figure"),
        Column("bytes", "bytes", Kind.BYTES),
        Column("module", "in module", Kind.PATH, tier=1),
        Column("op", "operator", tier=2),
    )
    return Table("memory", "Memory", columns, tuple(map(Row, rows)))


def _alive_table(peak: Peak, top: int | None) -> Table:
    shown = peak.alive[:top]
    rows = [_row(held, peak.bytes) for held in shown]
    if folded := peak.alive[len(shown) :]:
        rows.append(_sum_row(plural(len(folded), "other"), folded, peak.bytes, Role.FOLDED))
    total = _sum_row("total", peak.alive, peak.bytes, Role.TOTAL)
    return Table("alive", "Alive at the peak", COLUMNS, (*rows, total))


def _row(held: Held, whole: int) -> Row:
    needed = "yes" if held.needed else "no"
    return Row(
        (_name(held), held.op, held.shape, held.bytes, exact_ratio(held.bytes, whole), needed)
    )


def _sum_row(name: str, several: Sequence[Held], whole: int, role: Role) -> Row:
    total = _total(several)
    return Row((name, "", "", total, exact_ratio(total, whole), ""), role=role)


def _name(held: Held) -> str:
    """The module that made it; what the model itself makes or is given stands in brackets."""
    return label(held.module, own=not held.module) if held.op else "(input)"


def _at(peak: Peak) -> tuple[Cell, Cell]:
    return (label(peak.module, own=not peak.module), peak.op) if peak.op else (None, None)


def _total(several: Sequence[Held]) -> int:
    return sum(held.bytes for held in several)


def _overdue_notes(peak: Peak) -> tuple[str, ...]:
    if not peak.overdue:
        return ()
    named = [f"{_name(held)} {format_bytes(held.bytes)}" for held in peak.overdue[:NAMED]]
    others = [plural(len(peak.overdue) - NAMED, "other")] if len(peak.overdue) > NAMED else []
    return (f"Held although no later operator reads it: {', '.join(named + others)}.",)


def _peak(peak: Peak) -> dict[str, Any]:
    return {
        "bytes": peak.bytes,
        "input_bytes": peak.input_bytes,
        "module": peak.module,
        "op": peak.op or None,
        "alive": [
            {**held._asdict(), "op": held.op or None, "shape": list(held.shape)}
            for held in peak.alive
        ],
    }


def _summary(subject: Subject, conditions: Conditions, peak: Peak, weights: int) -> str:
    where = f", in {peak.module or 'the model itself'}" if peak.op else ""
    largest = f", {_largest(peak)}" if peak.alive else ""
    return (
        f"{subject.name} at {conditions.at} holds {format_count(peak.bytes, exact=True)} bytes of activations at most"
        f"{where}{largest}; weights are {format_bytes(weights)} more."
    )


def _largest(peak: Peak) -> str:
    held = peak.alive[0]
    share = format_percent(exact_ratio(held.bytes, peak.bytes))
    maker = (
        f"{format_shape(held.shape)} that {held.op} makes in {held.module or 'the model itself'}"
    )
    return f"{share} of them the {maker if held.op else f'input {format_shape(held.shape)}'}"
