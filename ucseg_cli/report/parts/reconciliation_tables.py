"""The figures of other counters, and why: a part of ``ucseg flops``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ucseg_cli.analysis.counters.peers import Reconciliation
from ucseg_cli.report.document import Column, Kind, Role, Row, Table
from ucseg_cli.units import exact_ratio

OURS = {"macs": "MACs", "params": "parameters"}
"""The figures from which steps start."""


def reconciliation_tables(reconciliations: Sequence[Reconciliation]) -> tuple[Table, ...]:
    """Each counter's figure with a sentence, and the steps from our figure to it."""
    return _figure_table(reconciliations), _step_table(reconciliations)


def reconciliation_payload(reconciliations: Sequence[Reconciliation]) -> list[dict[str, Any]]:
    """For scripts: ``ours`` and the steps add up to ``total``, null where it is not derived."""
    return [
        {
            "name": other.peer.name,
            "figure": other.peer.figure,
            "unit": other.peer.unit,
            "call": other.peer.call,
            "ours": other.ours,
            "total": other.total,
            "steps": [{"label": step.label, "count": step.amount} for step in other.steps],
            "why": other.peer.why,
            "obstacle": other.obstacle,
        }
        for other in reconciliations
    ]


def _figure_table(reconciliations: Sequence[Reconciliation]) -> Table:
    columns = (
        Column("counter", "counter"),
        Column("figure", "figure", Kind.EXACT),
        Column("unit", "unit"),
        Column("of_ours", "of our base", Kind.EXACT, tier=1),
        Column("why", "why", Kind.PROSE, tier=2),
    )
    rows = tuple(map(_figure_row, reconciliations))
    return Table(
        "reconciliation",
        "Figures of other tools",
        columns,
        rows,
        "Our base is the MACs, or for parameters the parameters, from which each is derived. "
        "ptflops with its default backend, pytorch.",
    )


def _figure_row(other: Reconciliation) -> Row:
    why = other.peer.why if other.obstacle is None else f"Not reconciled: {other.obstacle}."
    return Row(
        (other.peer.name, other.total, other.peer.unit, exact_ratio(other.total, other.ours), why)
    )


def _step_table(reconciliations: Sequence[Reconciliation]) -> Table:
    columns = (
        Column("counter", "counter"),
        Column("step", "step", Kind.PROSE),
        Column("count", "count", Kind.EXACT),
    )
    rows = tuple(row for other in reconciliations if other.steps for row in _step_rows(other))
    same = ", ".join(
        f"{other.peer.name} ({other.peer.unit})"
        for other in reconciliations
        if not other.steps and not other.obstacle
    )
    return Table(
        "steps",
        "From our MACs and parameters to theirs",
        columns,
        rows,
        f"The same as ours: {same}." if same else None,
    )


def _step_rows(other: Reconciliation) -> Iterator[Row]:
    yield Row((other.peer.name, OURS[other.peer.figure], other.ours))
    yield from (Row((other.peer.name, step.label, step.amount)) for step in other.steps)
    yield Row((other.peer.name, f"its {other.peer.unit}", other.total), role=Role.TOTAL)
