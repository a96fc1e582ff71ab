"""Drift from a lock: as a table, in sentences, and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import Any

from ucseg_cli.analysis.comparing.drift import Drift
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.facts.budget import LOCK_ID
from ucseg_cli.facts.lock import Leaf
from ucseg_cli.report.document import Cell, Judgement, Kind, Role, Row, Table
from ucseg_cli.report.fields import Field, make_table
from ucseg_cli.units import exact_ratio, format_count, format_shape, plural

MOST_MODULE_ROWS = 8


def _figure(drift: Drift) -> str:
    return METRICS[drift.figure].title if drift.figure in METRICS else drift.figure


def _change(drift: Drift) -> Cell:
    if drift.before is None:
        return "new"
    if drift.after is None:
        return "gone"
    return exact_ratio(drift.delta, drift.before) if isinstance(drift.before, int) else None


def _name(drift: Drift) -> str:
    """The name, and in its place what a row without one is about."""
    own = "(own)" if drift.kind == "module" else f"({drift.kind})"
    return drift.name or own


SIZE: Field[Drift] = Field("size", "size", attrgetter("size"))
FIELDS: tuple[Field[Drift], ...] = (
    Field("model", "model", attrgetter("model")),
    SIZE,
    Field("kind", "what", attrgetter("kind"), tier=2),
    Field("name", "name", _name, Kind.PATH),
    Field("figure", "figure", _figure),
    Field("before", "locked", attrgetter("before"), Kind.EXACT),
    Field("after", "now", attrgetter("after"), Kind.EXACT),
    Field("delta", "Δ", attrgetter("delta"), Kind.EXACT_DELTA, 1),
    Field("change", "Δ%", _change, Kind.CHANGE),
)


def drift_table(drifts: Sequence[Drift], title: str) -> Table:
    """A row for each thing that differs; figures of modules are folded after the first few."""
    modules = [drift for drift in drifts if drift.kind == "module"]
    others = modules[MOST_MODULE_ROWS:]
    shown: list[Drift | Row] = [drift for drift in drifts if drift.kind != "module"]
    shown += modules[:MOST_MODULE_ROWS]
    if others:
        folded = ("", None, "module", plural(len(others), "other figure"), "", "", "", None, None)
        shown.append(Row(folded, role=Role.FOLDED))
    at_one_size = len({drift.size for drift in drifts if drift.size}) < 2
    fields = [
        field._replace(tier=2) if field is SIZE and at_one_size else field for field in FIELDS
    ]
    return make_table("drift", title, fields, shown)._replace(news=True)


def drift_payload(drifts: Iterable[Drift]) -> list[dict[str, Any]]:
    """The same for scripts; lengths are lists, and what is absent is null."""
    return [{**drift._asdict(), "delta": drift.delta} for drift in drifts]


def drift_judgements(drifts: Sequence[Drift], path: str, lines: dict[str, int]) -> list[Judgement]:
    """One for each model of the lock, at the line of its block."""
    judged = []
    for model, line in lines.items():
        own = [drift for drift in drifts if drift.model == model]
        message = f"{drifted_from(own, path)}: {describe(own[0])}" if own else "as locked"
        status = "fail" if own else "pass"
        judged.append(Judgement(LOCK_ID, model, status, message, path, line, Fraction(len(own))))
    return judged


def drifted_from(drifts: Sequence[Drift], path: str) -> str:
    """Which models differ from the lock, in how many figures, and which are not in it."""
    missing = [drift.model for drift in drifts if drift.kind == "model"]
    differing = [drift for drift in drifts if drift.kind != "model"]
    models = list(dict.fromkeys(drift.model for drift in differing))
    sentences = []
    if models:
        differ = "differs" if len(models) == 1 else "differ"
        count = plural(len(differing), "figure")
        sentences.append(f"{', '.join(models)} {differ} from {path} in {count}")
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        sentences.append(f"{', '.join(missing)} {verb} in a budget but not in {path}")
    return "; ".join(sentences)


def describe(drift: Drift) -> str:
    """One difference in words."""
    place = " ".join(part for part in (drift.kind, drift.name) if part and part != "total")
    at = f" at {drift.size}" if drift.size else ""
    before, after = _spell(drift.before), _spell(drift.after)
    return f"{place} {_figure(drift)}{at} was {before}, is {after}".strip()


def rise(drift: Drift) -> str:
    """A total that is higher: ``parameters of v2 rise from 618,477 to 650,285``."""
    at = f" at {drift.size}" if drift.size else ""
    before, after = _spell(drift.before), _spell(drift.after)
    return f"{_figure(drift)} of {drift.model}{at} rise from {before} to {after}"


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
