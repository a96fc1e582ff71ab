"""A sweep for scripts: every variant with its figures, in JSON and in CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

from ucseg_cli.analysis.space.limits import violated
from ucseg_cli.analysis.space.sweep_answer import (
    AxisEffect,
    FrontStep,
    LimitTally,
    Number,
    Range,
    SweepAnswer,
)
from ucseg_cli.report.document import Cell, Column, Row, Table
from ucseg_cli.report.parts.attribution_tables import attribution_payload
from ucseg_cli.report.parts.conditions_header import raw_conditions
from ucseg_cli.report.streamed import Streamed


def sweep_payload(answer: SweepAnswer) -> dict[str, Any]:
    """Everything in raw numbers; ``variants`` has all of them, in the order of the space."""
    space = answer.space
    return {
        "conditions": {
            **raw_conditions([answer.conditions]),
            **({"training": answer.step._asdict()} if answer.step else {}),
        },
        "space": {
            "name": answer.name,
            "base": space.base.name,
            "size": space.size,
            "axes": {axis.name: list(axis.plain) for axis in space.axes},
        },
        "objectives": [
            {"metric": one.label, "maximize": one.maximize} for one in answer.objectives
        ],
        "limits": [_limit(tally) for tally in answer.tallies],
        "fitting": answer.fitting,
        "closest": _closest(answer),
        "ranges": [_range(answer, one) for one in answer.ranges],
        "front": _front(answer),
        "nearest": _nearest(answer),
        "effects": [_effect(one) for one in answer.effects],
        "steps": [_step(answer, step) for step in answer.steps],
        "ranking": _ranking(answer),
        "scores": _scores(answer),
        "failed": [
            {"reference": space.reference_at(variant), "reason": reason}
            for variant, reason in answer.swept.reasons.items()
        ],
        "verified": answer.verified,
        **_timed(answer),
        "variants": Streamed(space.size, partial(_variants, answer)),
    }


def _timed(answer: SweepAnswer) -> dict[str, Any]:
    """Measured time, if it was asked for."""
    if answer.timed is None:
        return {}
    from ucseg_cli.report.parts.timed.timed_runs import timing_payload

    payload = timing_payload(answer.timed)
    return {"latency": payload, "verdict": {"status": answer.timed.status}}


def sweep_records(answer: SweepAnswer) -> Table:
    """A line for every variant: its axes, its figures, and whether it fits and is on the front."""
    names = ["reference", *(axis.name for axis in answer.space.axes)]
    names += [quantity.label for quantity in answer.quantities]
    names += ["score"] if answer.ranking else []
    names += ["feasible", "violates", "on_front", "reason"]
    rows = Streamed(answer.space.size, partial(_records, answer))
    return Table("variants", "", tuple(Column(name, name) for name in names), rows)


def _records(answer: SweepAnswer) -> Iterator[Row]:
    texts = [axis.texts for axis in answer.space.axes]
    columns = _columns(answer)
    on_front = _on_front(answer)
    reasons, scores = answer.swept.reasons, _scores_of(answer)
    lines = zip(answer.space.references(), answer.space.all_digits(), strict=True)
    for variant, (reference, digits) in enumerate(lines):
        cells: list[Cell] = [reference]
        cells += [values[digit] for values, digit in zip(texts, digits, strict=True)]
        cells += [column[variant] for column in columns.values()]
        cells += [_exact(scores[variant])] if scores is not None else []
        fits = bool(answer.feasible[variant])
        broken = "" if fits else "; ".join(_broken(answer, columns, variant))
        cells += [fits, broken, variant in on_front, reasons.get(variant, "")]
        yield Row(tuple(cells))


def _variants(answer: SweepAnswer) -> Iterator[dict[str, Any]]:
    space, columns, reasons = answer.space, _columns(answer), answer.swept.reasons
    names, on_front = [axis.name for axis in space.axes], _on_front(answer)
    scores = _scores_of(answer)
    values = product(*(axis.plain for axis in space.axes))
    for variant, (reference, own) in enumerate(zip(space.references(), values, strict=True)):
        fits = bool(answer.feasible[variant])
        yield {
            "reference": reference,
            "axes": dict(zip(names, own, strict=True)),
            "metrics": {label: _raw(column[variant]) for label, column in columns.items()},
            **({} if scores is None else {"score": scores[variant]}),
            "feasible": fits,
            "violates": [] if fits else _broken(answer, columns, variant),
            "on_front": variant in on_front,
            "reason": reasons.get(variant),
        }


def _entry(answer: SweepAnswer, variant: int) -> dict[str, Any]:
    """A variant with its figures, as everywhere in the payload."""
    scores = _scores_of(answer)
    axes = zip(answer.space.axes, answer.space.digits_at(variant), strict=True)
    return {
        "reference": answer.space.reference_at(variant),
        "axes": {axis.name: axis.plain[digit] for axis, digit in axes},
        "metrics": {label: _raw(column[variant]) for label, column in _columns(answer).items()},
        **({} if scores is None else {"score": scores[variant]}),
    }


def _columns(answer: SweepAnswer) -> Mapping[str, Sequence[Number | None]]:
    return {quantity.label: answer.column(quantity.label) for quantity in answer.quantities}


def _scores_of(answer: SweepAnswer) -> Sequence[float | None] | None:
    return answer.ranking.scores if answer.ranking else None


def _broken(
    answer: SweepAnswer, columns: Mapping[str, Sequence[Number | None]], variant: int
) -> list[str]:
    """The limits that a variant does not meet; none of one without figures, which has a reason."""
    if variant in answer.swept.reasons:
        return []
    return list(map(str, violated(answer.limits, columns, variant)))


def _on_front(answer: SweepAnswer) -> set[int]:
    return {variant for point in answer.front for variant in (point.variant, *point.equals)}


def _limit(tally: LimitTally) -> dict[str, Any]:
    limit = tally.limit
    bound = {"max" if limit.is_max else "min": _raw(limit.bound)}
    named = {"limit": str(limit), "metric": limit.label, **bound, "budget": limit.budget}
    return {**named, "met": tally.met, "alone": tally.alone}


def _closest(answer: SweepAnswer) -> dict[str, Any] | None:
    if (least := answer.least) is None:
        return None
    return {
        **_entry(answer, least.variant),
        "limit": str(least.limit),
        "excess": float(least.excess),
    }


def _range(answer: SweepAnswer, one: Range) -> dict[str, Any]:
    places = {"smallest_at": one.smallest_at, "largest_at": one.largest_at}
    named = {
        key: None if place is None else answer.space.reference_at(place)
        for key, place in places.items()
    }
    figures = {key: _raw(getattr(one, key)) for key in ("smallest", "base", "largest")}
    return {"metric": one.label, **figures, **named, "known": one.known}


def _front(answer: SweepAnswer) -> list[dict[str, Any]]:
    return [
        {
            **_entry(answer, point.variant),
            "equals": [answer.space.reference_at(variant) for variant in point.equals],
        }
        for point in answer.front
    ]


def _nearest(answer: SweepAnswer) -> list[dict[str, Any]]:
    return [
        {
            **_entry(answer, one.variant),
            "changes": list(one.axes),
            "delta": _raw(one.change),
        }
        for one in answer.nearest or ()
    ]


def _effect(one: AxisEffect) -> dict[str, Any]:
    return {
        "axis": one.axis,
        "metric": one.label,
        "mean": None if one.mean is None else float(one.mean),
        "smallest": _raw(one.smallest),
        "largest": _raw(one.largest),
        "pairs": one.pairs,
    }


def _step(answer: SweepAnswer, step: FrontStep) -> dict[str, Any]:
    return {
        "before": answer.space.reference_at(step.before),
        "after": answer.space.reference_at(step.after),
        "axes": list(step.axes),
        "attribution": attribution_payload(step.attributions),
    }


def _ranking(answer: SweepAnswer) -> dict[str, Any] | None:
    if (ranking := answer.ranking) is None:
        return None
    best = ranking.order[0] if ranking.order else None
    return {
        "formula": ranking.formula,
        "best": None if best is None else answer.space.reference_at(best),
        "scored": len(ranking.order),
        "missing": dict(ranking.reasons),
    }


def _scores(answer: SweepAnswer) -> dict[str, Any] | None:
    if (scores := answer.scores) is None:
        return None
    outside = list(scores.outside)
    return {
        "file": scores.file,
        "columns": list(scores.columns),
        "units": {name: unit for name, unit in scores.units.items() if unit},
        "missing": scores.missing,
        "outside": outside,
    }


def _exact(score: float | None) -> Fraction | None:
    return None if score is None else Fraction(score)


def _raw(number: Number | None) -> int | float | None:
    return float(number) if isinstance(number, Fraction) else number
