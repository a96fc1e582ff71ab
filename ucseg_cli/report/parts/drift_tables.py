"""What has drifted from a lock: as a table, in sentences, and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from ucseg_cli.analysis.comparing.drift import Drift
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.facts.lock import Leaf
from ucseg_cli.report.document import Cell, Column, Judgement, Kind, Role, Row, Table
from ucseg_cli.units import exact_ratio, format_count, format_shape, plural

COLUMNS = (
    Column("model", "model"),
    Column("size", "size", tier=2),
    Column("kind", "what", tier=1),
    Column("name", "name", Kind.PATH),
    Column("figure", "figure"),
    Column("before", "locked", Kind.EXACT, tier=1),
    Column("after", "now", Kind.EXACT),
    Column("delta", "Δ", Kind.EXACT_DELTA, tier=1),
    Column("change", "Δ %", Kind.CHANGE, tier=2),
)

LOCK = "lock"
"""What the lock is called among budgets, none of which may have that id."""
MOST_MODULE_ROWS = 8


def drift_table(drifts: Sequence[Drift], title: str) -> Table:
    """A row for each thing that differs, as locked and as it is; of the modules' figures the first, and how many more."""
    ours = [each for each in drifts if each.kind != "module"]
    modules = [each for each in drifts if each.kind == "module"]
    rows = [Row(_cells(each)) for each in (*ours, *modules[:MOST_MODULE_ROWS])]
    if others := modules[MOST_MODULE_ROWS:]:
        rows.append(
            Row(
                ("", None, "module", plural(len(others), "other figure"), "", "", "", None, None),
                role=Role.FOLDED,
            )
        )
    return Table("drift", title, COLUMNS, tuple(rows), news=True)


def drift_payload(drifts: Iterable[Drift]) -> list[dict[str, Any]]:
    """The same for scripts; lengths are lists, and what is absent is null."""
    return [{**each._asdict(), "delta": each.delta} for each in drifts]


def drift_judgements(drifts: Sequence[Drift], path: str, lines: dict[str, int]) -> list[Judgement]:
    """One for each model of the lock, at the line of its block."""
    judged = []
    for model, line in lines.items():
        own = [each for each in drifts if each.model == model]
        status, message = (
            ("fail", f"{drifted_from(own, path)}: {describe(own[0])}")
            if own
            else ("pass", "as locked")
        )
        judged.append(Judgement(LOCK, model, status, message, path, line, Fraction(len(own))))
    return judged


def drifted_from(drifts: Sequence[Drift], path: str) -> str:
    """Which models are no longer as locked, and in how many figures."""
    models = list(dict.fromkeys(each.model for each in drifts))
    differ = "differs" if len(models) == 1 else "differ"
    return f"{', '.join(models)} {differ} from {path} in {plural(len(drifts), 'figure')}"


def describe(drift: Drift) -> str:
    """One difference in words."""
    place = " ".join(part for part in (drift.kind, drift.name) if part and part != "total")
    at = f" at {drift.size}" if drift.size else ""
    figure = METRICS[drift.figure].title if drift.figure in METRICS else drift.figure
    return f"{place} {figure}{at} was {_spell(drift.before)}, is {_spell(drift.after)}".strip()


def _cells(drift: Drift) -> tuple[Cell, ...]:
    change = exact_ratio(drift.delta, drift.before) if isinstance(drift.before, int) else None
    figure = METRICS[drift.figure].title if drift.figure in METRICS else drift.figure
    return (
        drift.model,
        drift.size,
        drift.kind,
        drift.name,
        figure,
        drift.before,
        drift.after,
        drift.delta,
        _presence(drift) or change,
    )


def _presence(drift: Drift) -> str | None:
    return "new" if drift.before is None else "gone" if drift.after is None else None


def _spell(leaf: Leaf | None) -> str:
    match leaf:
        case None:
            return "absent"
        case int():
            return format_count(leaf, exact=True)
        case tuple():
            return format_shape(leaf)
        case _:
            return leaf
