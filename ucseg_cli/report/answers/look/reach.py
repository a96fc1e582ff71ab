"""``ucseg reach``: what of a model's dilated convolutions reads data, at one or several sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ucseg_cli.analysis.geometry.dilated_reach import AxisReach, Reach, reaches
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.report.document import Kind, Report, Table
from ucseg_cli.report.fields import (
    Field,
    Fields,
    Output,
    make_entries,
    make_grouped_records,
    make_table,
)
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import format_percent, format_shape, plural

Pair = tuple[int, int]


def _short(pair: Pair | None) -> tuple[int, ...] | None:
    """Two equal lengths are one."""
    return pair if pair is None or pair[0] != pair[1] else pair[:1]


def _raw_pair(key: str, prefix: str, get: Callable[[Reach], Pair | None]) -> Fields[Reach]:
    """A height and a width: a list in JSON, two columns in CSV."""
    return (
        Field(key, "", get, output=Output.JSON),
        Field(f"{prefix}_height", "", lambda conv: (get(conv) or (None,))[0], output=Output.CSV),
        Field(f"{prefix}_width", "", lambda conv: (get(conv) or (None,))[-1], output=Output.CSV),
    )


def _dead(conv: Reach) -> str:
    return f"{conv.dead_positions} of {conv.kernel_positions}"


def _axes(conv: Reach) -> dict[str, dict[str, int]]:
    return {"height": _axis(conv.height), "width": _axis(conv.width)}


def _axis(axis: AxisReach) -> dict[str, int]:
    return {"reads": axis.reads, "products": axis.products}


SCREEN, FILES, JSON = Output.SCREEN, Output.FILES, Output.JSON
FIELDS: Fields[Reach] = (
    Field("module", "module", lambda conv: conv.module, Kind.PATH),
    Field("rate", "rate", lambda conv: _short(conv.rate), Kind.SHAPE, output=SCREEN),
    *_raw_pair("rate", "rate", lambda conv: conv.rate),
    Field("map", "map", lambda conv: conv.map, Kind.SHAPE, 1, SCREEN),
    *_raw_pair("map", "map", lambda conv: conv.map),
    # of the products of positions in the map and in the kernel, *reads* meet data
    Field("reads", "", lambda conv: conv.reads, output=FILES),
    Field("products", "", lambda conv: conv.products, output=FILES),
    Field("share", "data share", lambda conv: conv.share, Kind.SHARE, output=SCREEN),
    Field("height_share", "in height", lambda conv: conv.height.share, Kind.SHARE, 3, SCREEN),
    Field("width_share", "in width", lambda conv: conv.width.share, Kind.SHARE, 3, SCREEN),
    Field("axes", "", _axes, output=JSON),
    Field("kernel_positions", "", lambda conv: conv.kernel_positions, output=FILES),
    Field("dead_positions", "", lambda conv: conv.dead_positions, output=FILES),
    Field("dead", "dead positions", _dead, output=SCREEN),
    Field("dead_params", "dead params", lambda conv: conv.dead_params, Kind.QUANTITY, 2),
    Field("dead_macs", "dead MACs", lambda conv: conv.dead_macs, Kind.QUANTITY, 2),
    Field("padding_macs", "padding MACs", lambda conv: conv.padding_macs, Kind.QUANTITY, 3),
    Field("macs", "", lambda conv: conv.macs, output=JSON),
    Field("pointwise", "", lambda conv: conv.is_pointwise, output=JSON),
    Field(
        "least_size", "fully used from", lambda conv: _short(conv.least_size), Kind.SHAPE, 1, SCREEN
    ),
    *_raw_pair("least_size", "least", lambda conv: conv.least_size),
    Field("pointwise", "", lambda conv: conv.is_pointwise, output=Output.CSV),
)
COMPACT = ("module", "rate", "share", "dead", "least_size")
"""Columns on the screen of another answer."""

DEAD_NOTE = (
    "A dead kernel position only ever sees padding; "
    "a conv with only its centre alive is exactly a 1×1 conv at this size."
)
NOTE = f"The data share is how much of what the kernel reads is data, not padding. {DEAD_NOTE}"


class Reached(NamedTuple):
    """The dilated convolutions of one model on one input."""

    conditions: Conditions
    convs: tuple[Reach, ...]


def reach_report(name: str, measured: Sequence[tuple[Subject, Conditions]]) -> Report:
    """A table for each size, and a sentence for each on what only ever sees padding."""
    reached = [Reached(conditions, reaches(subject.trace)) for subject, conditions in measured]
    conditions = [conditions for conditions, _ in reached]
    sizes = [
        {"input": list(at.first_shape), "convs": make_entries(FIELDS, convs)}
        for at, convs in reached
    ]
    groups = [((str(conditions.at),), convs) for conditions, convs in reached]
    return Report(
        kind="ucseg.reach",
        title=f"reach {name}",
        conditions=shown_conditions(conditions),
        tables=tuple(reach_table(convs, str(conditions.at)) for conditions, convs in reached),
        notes=(NOTE,),
        summary=" ".join(_sentence(name, at_size) for at_size in reached),
        payload={"conditions": raw_conditions(conditions), "model": name, "sizes": sizes},
        records=make_grouped_records("convs", ("size",), FIELDS, groups),
    )


def reach_table(convs: Sequence[Reach], at: str, *, compact: bool = False) -> Table:
    """A row for each dilated conv; *compact* has what matters most, for another answer's screen."""
    fields = [field for field in FIELDS if field.key in COMPACT] if compact else FIELDS
    is_dead = compact and any(conv.dead_positions for conv in convs)
    title = f"Reach of dilated convs at {at}"
    return make_table("reach", title, fields, convs, DEAD_NOTE if is_dead else None)


def reach_entries(convs: Sequence[Reach]) -> list[dict[str, Any]]:
    """Each dilated conv for scripts."""
    return make_entries(FIELDS, convs)


def _sentence(name: str, reached: Reached) -> str:
    convs = reached.convs
    if not convs:
        return f"{name} has no dilated conv."
    whose = f"{name}'s {plural(len(convs), 'dilated conv')}"
    at = f"At {reached.conditions.at}, "
    troubles = "; ".join(filter(None, (_pointwise(convs, whose), _partly_dead(convs, whose))))
    if troubles:
        return f"{at}{troubles}{_remedy(convs)}."
    return f"{at}every kernel position of {whose} sees data somewhere; {_padding(convs)}."


def _pointwise(convs: Sequence[Reach], whose: str) -> str:
    found = [conv for conv in convs if conv.is_pointwise]
    are = "is exactly a 1×1 conv" if len(found) == 1 else "are exactly 1×1 convs"
    return f"{len(found)} of {whose} {are}: {', '.join(map(_named, found))}" if found else ""


def _partly_dead(convs: Sequence[Reach], whose: str) -> str:
    found = [conv for conv in convs if conv.dead_positions and not conv.is_pointwise]
    have = f"{'has' if len(found) == 1 else 'have'} kernel positions that only ever see padding"
    return f"{len(found)} of {whose} {have}: {', '.join(map(_named, found))}" if found else ""


def _named(conv: Reach) -> str:
    dead = "" if conv.is_pointwise else f", {_dead(conv)} positions"
    rate, size = format_shape(_short(conv.rate)), format_shape(conv.map)
    return f"{conv.module} (rate {rate} on a {size} map{dead})"


def _padding(convs: Sequence[Reach]) -> str:
    share = Fraction(sum(conv.padding_macs for conv in convs), sum(conv.macs for conv in convs))
    return f"{format_percent(share)} of their MACs meet padding"


def _remedy(convs: Sequence[Reach]) -> str:
    """The size from which nothing is dead any more, where that is known."""
    known = [conv.least_size for conv in convs if conv.least_size is not None]
    if len(known) < len(convs):
        return ""
    down, across = (max(lengths) for lengths in zip(*known, strict=True))
    return f"; from {Size(down, across)} px on, every kernel position sees data"
