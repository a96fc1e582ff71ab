"""``ucseg sweep``: limits, the front, the nearest variants and the effect of each axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import product
from operator import attrgetter
from typing import Any

from ucseg_cli.analysis.space.limits import violated
from ucseg_cli.analysis.space.sweep_answer import (
    LimitTally,
    Number,
    Quantity,
    Range,
    SweepAnswer,
)
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table, Unit
from ucseg_cli.report.fields import Field, Fields, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural

FRONT_ROWS = 12
LIMITS: Fields[LimitTally] = (
    Field("limit", "limit", lambda tally: str(tally.limit)),
    Field("met", "met by", attrgetter("met"), Kind.EXACT),
    Field("alone", "fail it alone", attrgetter("alone"), Kind.EXACT),
)


def sweep_report(answer: SweepAnswer, *, top: int | None = None) -> Report:
    """The tables of a sweep, *top* rows of the front, and every variant for scripts."""
    space = answer.space
    return Report(
        kind="ucseg.sweep",
        title=f"sweep {answer.name or space.base.name}",
        conditions=shown_conditions([answer.conditions]),
        tables=tuple(_tables(answer, top or FRONT_ROWS)),
        summary=_summary(answer),
        payload=_Payload(answer),
        records=_records(answer),
        notes=answer.notes,
    )


def _tables(answer: SweepAnswer, top: int) -> Iterator[Table]:
    if answer.tallies:
        yield make_table("limits", "Limits", LIMITS, answer.tallies)
    quantities = {quantity.label: quantity for quantity in answer.quantities}
    fields: Fields[Range] = (
        Field("metric", "metric", lambda one: quantities[one.label].title),
        Field("smallest", "smallest", attrgetter("smallest"), Kind.QUANTITY),
        Field("base", "base", attrgetter("base"), Kind.QUANTITY),
        Field("largest", "largest", attrgetter("largest"), Kind.QUANTITY),
    )
    rows = [
        Row(tuple(field.get(one) for field in fields), unit=_unit(quantities[one.label]))
        for one in answer.ranges
    ]
    yield Table("ranges", "Ranges", tuple(field.column for field in fields), tuple(rows))
    shown = [point.variant for point in answer.front[:top]]
    yield _variants_table("front", f"Front of {len(answer.front):,}", answer, shown)
    if answer.nearest is not None:
        nearest = [one.variant for one in answer.nearest[:top]]
        yield _variants_table("nearest", "Nearest", answer, nearest)
    effects = [
        Row((one.axis, one.label, _rounded(one.mean), one.smallest, one.largest))
        for one in answer.effects
    ]
    titles = ("axis", "metric", "mean", "smallest", "largest")
    columns = (Column(key, key, Kind.TEXT if key in titles[:2] else Kind.DELTA) for key in titles)
    yield Table("effects", "Effect of one step", tuple(columns), tuple(effects))


def _unit(quantity: Quantity) -> Unit:
    return Unit.BYTES if quantity.in_bytes else Unit.COUNT


def _variants_table(key: str, title: str, answer: SweepAnswer, variants: list[int]) -> Table:
    """Some variants with all of their figures."""
    kinds = {True: Kind.BYTES, False: Kind.QUANTITY}
    columns = [
        Column(quantity.label, quantity.title, kinds[quantity.in_bytes])
        for quantity in answer.quantities
    ]
    rows = [
        Row((answer.space.reference_at(variant), *_figures(answer, variant)))
        for variant in variants
    ]
    return Table(key, title, (Column("reference", "variant"), *columns), tuple(rows))


def _figures(answer: SweepAnswer, variant: int) -> tuple[Cell, ...]:
    return tuple(answer.figure(one.label, variant) for one in answer.quantities)


def _records(answer: SweepAnswer) -> Table:
    """A line for every variant: its axes and figures."""
    space, on_front = answer.space, _on_front(answer)
    names = ["reference", *(axis.name for axis in space.axes)]
    names += [quantity.label for quantity in answer.quantities] + ["feasible", "on_front"]
    values = product(*(map(_axis_cell, axis.values) for axis in space.axes))
    figures = zip(*(answer.column(one.label) for one in answer.quantities), strict=True)
    variants = zip(space.references(), values, figures, answer.feasible, strict=True)
    rows = (
        Row((reference, *axes, *cells, bool(fits), variant in on_front))
        for variant, (reference, axes, cells, fits) in enumerate(variants)
    )
    return Table("variants", "", tuple(Column(name, name) for name in names), tuple(rows))


def _axis_cell(value: Any) -> Cell:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _on_front(answer: SweepAnswer) -> set[int]:
    return {variant for point in answer.front for variant in (point.variant, *point.equals)}


class _Payload(Mapping[str, Any]):
    """The answer for scripts, which only some formats have a use for: made when it is read."""

    def __init__(self, answer: SweepAnswer) -> None:
        self._answer = answer

    @cached_property
    def _data(self) -> dict[str, Any]:
        return _payload(self._answer)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


def _payload(answer: SweepAnswer) -> dict[str, Any]:
    space, variants = answer.space, list(_variants(answer))
    return {
        "conditions": raw_conditions([answer.conditions]),
        "space": {
            "name": answer.name,
            "base": space.base.name,
            "size": space.size,
            "axes": {axis.name: list(axis.plain) for axis in space.axes},
        },
        "objectives": [one._asdict() for one in answer.objectives],
        "limits": [_limit(tally) for tally in answer.tallies],
        "fitting": answer.fitting,
        "front": [
            {
                **_named(variants, point.variant),
                "equals": list(map(space.reference_at, point.equals)),
            }
            for point in answer.front
        ],
        "nearest": [
            {**_named(variants, one.variant), "changes": list(one.axes)}
            for one in answer.nearest or ()
        ],
        "effects": [
            {
                "axis": one.axis,
                "metric": one.label,
                "mean": None if one.mean is None else float(one.mean),
                "smallest": _raw(one.smallest),
                "largest": _raw(one.largest),
                "pairs": one.pairs,
            }
            for one in answer.effects
        ],
        "verified": answer.verified,
        "variants": variants,
    }


def _limit(tally: LimitTally) -> dict[str, Any]:
    limit = tally.limit
    bound = "max" if limit.is_max else "min"
    named = {"metric": limit.label, bound: _raw(limit.bound), "budget": limit.budget}
    return {**named, "met": tally.met, "alone": tally.alone}


def _variants(answer: SweepAnswer) -> Iterator[dict[str, Any]]:
    """Every variant with its axes, its figures and how it was judged."""
    space, limits, on_front = answer.space, answer.limits, _on_front(answer)
    columns = {one.label: answer.column(one.label) for one in answer.quantities}
    names = [axis.name for axis in space.axes]
    values = product(*(axis.plain for axis in space.axes))
    figures = zip(*(map(_raw, column) for column in columns.values()), strict=True)
    rows = zip(space.references(), values, figures, answer.feasible, strict=True)
    for variant, (reference, axes, cells, fits) in enumerate(rows):
        broken = [] if fits else list(violated(limits, columns, variant))
        reason = answer.swept.reasons.get(variant)
        yield {
            "reference": reference,
            "axes": dict(zip(names, axes, strict=True)),
            "metrics": dict(zip(columns, cells, strict=True)),
            "feasible": bool(fits),
            "violates": [] if reason else [str(limit) for limit in broken],
            "on_front": variant in on_front,
            "reason": reason,
            **({"score": answer.ranking.scores[variant]} if answer.ranking else {}),
        }


def _named(variants: Sequence[dict[str, Any]], variant: int) -> dict[str, Any]:
    return {key: variants[variant][key] for key in ("reference", "axes", "metrics")}


def _rounded(mean: Fraction | None) -> int | None:
    return None if mean is None else round(mean)


def _raw(number: Number | None) -> int | float | None:
    return float(number) if isinstance(number, Fraction) else number


def _summary(answer: SweepAnswer) -> str:
    size = plural(answer.space.size, "variant")
    if answer.tallies and not answer.fitting:
        near = answer.least
        nearest = f": {answer.space.reference_at(near.variant)} comes nearest" if near else ""
        return f"None of {size} is within all limits{nearest}."
    within = f"; {answer.fitting:,} are within all limits" if answer.tallies else ""
    return f"{plural(len(answer.front), 'variant')} of {answer.space.size:,} on the front{within}."
