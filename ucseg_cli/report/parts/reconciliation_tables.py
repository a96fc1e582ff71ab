"""What other counters print, and why: a part of ``ucseg flops``."""

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
    """For scripts: ``ours`` and the steps' counts add up to ``total``, which is null where it is not derived."""
    return [
        {
            "name": each.peer.name,
            "figure": each.peer.figure,
            "unit": each.peer.unit,
            "call": each.peer.call,
            "ours": each.ours,
            "total": each.total,
            "steps": [{"label": step.label, "count": step.amount} for step in each.steps],
            "why": each.peer.why,
            "obstacle": each.obstacle,
        }
        for each in reconciliations
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
        "What others print",
        columns,
        rows,
        "Our base is the MACs, or for parameters the parameters, from which each is derived. ptflops with its default backend, pytorch.",
    )


def _figure_row(each: Reconciliation) -> Row:
    why = each.peer.why if each.obstacle is None else f"Not reconciled: {each.obstacle}."
    return Row(
        (each.peer.name, each.total, each.peer.unit, exact_ratio(each.total, each.ours), why)
    )


def _step_table(reconciliations: Sequence[Reconciliation]) -> Table:
    columns = (
        Column("counter", "counter"),
        Column("step", "step", Kind.PROSE),
        Column("count", "count", Kind.EXACT),
    )
    rows = tuple(row for each in reconciliations if each.steps for row in _step_rows(each))
    same = ", ".join(
        f"{each.peer.name} ({each.peer.unit})"
        for each in reconciliations
        if not each.steps and not each.obstacle
    )
    return Table(
        "steps",
        "From our MACs and parameters to theirs",
        columns,
        rows,
        f"The same as ours: {same}." if same else None,
    )


def _step_rows(each: Reconciliation) -> Iterator[Row]:
    yield Row((each.peer.name, OURS[each.peer.figure], each.ours))
    yield from (Row((each.peer.name, step.label, step.amount)) for step in each.steps)
    yield Row((each.peer.name, f"its {each.peer.unit}", each.total), role=Role.TOTAL)
