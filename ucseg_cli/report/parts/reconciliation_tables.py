"""The figures of other counters, and why: a part of ``ucseg flops``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import attrgetter, itemgetter
from typing import Any

from ucseg_cli.analysis.counters.peers import Reconciliation
from ucseg_cli.report.document import Kind, Role, Row, Table
from ucseg_cli.report.fields import Field, Fields, Output, make_row, make_table
from ucseg_cli.units import exact_ratio


def _of_ours(other: Reconciliation) -> Fraction | None:
    return exact_ratio(other.total, other.ours)


def _why(other: Reconciliation) -> str:
    return other.peer.why if other.obstacle is None else f"Not reconciled: {other.obstacle}."


def _raw_steps(other: Reconciliation) -> list[dict[str, Any]]:
    return [{"label": step.label, "count": step.amount} for step in other.steps]


SCREEN, JSON = Output.SCREEN, Output.JSON
# In JSON ``ours`` and the steps add up to ``total``, null where it is not derived.
RECONCILIATION: Fields[Reconciliation] = (
    Field("counter", "counter", attrgetter("peer.name"), output=SCREEN),
    Field("name", "", attrgetter("peer.name"), output=JSON),
    Field("figure", "", attrgetter("peer.figure"), output=JSON),
    Field("total", "figure", attrgetter("total"), Kind.EXACT),
    Field("unit", "unit", attrgetter("peer.unit")),
    Field("of_ours", "of our base", _of_ours, Kind.EXACT, 1, SCREEN),
    Field("call", "", attrgetter("peer.call"), output=JSON),
    Field("ours", "", attrgetter("ours"), output=JSON),
    Field("steps", "", _raw_steps, output=JSON),
    Field("why", "why", _why, Kind.PROSE, 2, SCREEN),
    Field("why", "", attrgetter("peer.why"), output=JSON),
    Field("obstacle", "", attrgetter("obstacle"), output=JSON),
)
Step = tuple[str, str, int | None]
STEPS: Fields[Step] = (
    Field("counter", "counter", itemgetter(0)),
    Field("step", "step", itemgetter(1), Kind.PROSE),
    Field("count", "count", itemgetter(2), Kind.EXACT),
)
OURS = {"macs": "MACs", "params": "parameters"}
"""The figures from which steps start."""
NOTE = (
    "Our base is the MACs, or for parameters the parameters, from which each is derived. "
    "ptflops with its default backend, pytorch. A counter that cannot run a model prints nothing."
)


def reconciliation_tables(reconciliations: Sequence[Reconciliation]) -> tuple[Table, ...]:
    """Each counter's figure with a sentence, and the steps from our figure to it."""
    steps = [step for other in reconciliations if other.steps for step in _steps(other)]
    same = ", ".join(
        f"{other.peer.name} ({other.peer.unit})"
        for other in reconciliations
        if not other.steps and not other.obstacle
    )
    title, note = "From our MACs and parameters to theirs", f"The same as ours: {same}."
    return (
        make_table(
            "reconciliation", "Figures of other tools", RECONCILIATION, reconciliations, NOTE
        ),
        make_table("steps", title, STEPS, steps, note if same else None),
    )


def _steps(other: Reconciliation) -> Iterator[Step | Row]:
    yield other.peer.name, OURS[other.peer.figure], other.ours
    yield from ((other.peer.name, step.label, step.amount) for step in other.steps)
    total = (other.peer.name, f"its {other.peer.unit}", other.total)
    yield make_row(STEPS, total, role=Role.TOTAL)
