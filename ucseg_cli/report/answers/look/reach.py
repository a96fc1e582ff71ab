"""``ucseg reach``: what of a model's dilated convolutions reads data, at one or several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ucseg_cli.analysis.geometry.dilated_reach import AxisReach, Reach, reaches
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import format_percent, format_shape, plural

MODULE, RATE = Column("module", "module", Kind.PATH), Column("rate", "rate", Kind.SHAPE)
READ = Column("share", "reads data", Kind.SHARE)
DEAD = Column("dead", "dead taps")
FROM = Column("least_size", "all read from", Kind.SHAPE, tier=1)
COLUMNS = (
    MODULE,
    RATE,
    Column("map", "map", Kind.SHAPE, tier=1),
    READ,
    Column("height_share", "in height", Kind.SHARE, tier=3),
    Column("width_share", "in width", Kind.SHARE, tier=3),
    DEAD,
    Column("dead_params", "dead params", Kind.QUANTITY, tier=2),
    Column("dead_macs", "dead MACs", Kind.QUANTITY, tier=2),
    Column("padding_macs", "padding MACs", Kind.QUANTITY, tier=3),
    FROM,
)
COMPACT = (MODULE, RATE, READ, DEAD, FROM)
RECORDS = (
    "size", "module", "rate_height", "rate_width", "map_height", "map_width", "reads", "products", "kernel_positions", "dead_positions",
    "dead_params", "dead_macs", "padding_macs", "least_height", "least_width", "pointwise",
)  # fmt: skip


NOTE = (
    "A tap reads data where it falls on the map, padding elsewhere; a dead tap reads padding at every position, "
    "and a conv with its centre alone alive is exactly a 1×1 conv."
)
DEAD_NOTE = "Dead taps read padding at every position; a conv whose centre alone is alive is exactly a 1×1 conv at this size."


class Reached(NamedTuple):
    """The dilated convolutions of one model on one input."""

    conditions: Conditions
    convs: tuple[Reach, ...]


def reach_report(name: str, measured: Sequence[tuple[Subject, Conditions]]) -> Report:
    """A table for each size, and a sentence for each on what never reads data."""
    reached = [Reached(conditions, reaches(subject.trace)) for subject, conditions in measured]
    summary = " ".join(_sentence(name, each) for each in reached)
    return Report(
        kind="ucseg.reach",
        title=f"reach {name}",
        conditions=shown_conditions([each.conditions for each in reached]),
        tables=tuple(reach_table(each.convs, str(each.conditions.at)) for each in reached),
        notes=(NOTE,),
        summary=summary,
        payload={
            "conditions": raw_conditions([each.conditions for each in reached]),
            "model": name,
            "sizes": [
                {
                    "input": list(each.conditions.inputs[0].shape),
                    "convs": [reach_entry(conv) for conv in each.convs],
                }
                for each in reached
            ],
        },
        records=Table(
            "convs",
            "Dilated convs",
            tuple(Column(key, key) for key in RECORDS),
            tuple(
                Row(_record(str(each.conditions.at), conv))
                for each in reached
                for conv in each.convs
            ),
        ),
    )


def reach_table(convs: Sequence[Reach], at: str, *, compact: bool = False) -> Table:
    """A row for each dilated conv; *compact* has what matters most, for the screen of another answer."""
    columns = COMPACT if compact else COLUMNS
    rows = (
        dict(zip((column.key for column in COLUMNS), _cells(conv), strict=True)) for conv in convs
    )
    shown = tuple(Row(tuple(row[column.key] for column in columns)) for row in rows)
    dead = compact and any(conv.dead_positions for conv in convs)
    return Table(
        "reach", f"Reach of dilated convs at {at}", columns, shown, DEAD_NOTE if dead else None
    )


def reach_entry(conv: Reach) -> dict[str, Any]:
    """One dilated conv for scripts; of the ``products`` of positions and taps ``reads`` meet data."""
    return {
        "module": conv.module,
        "rate": list(conv.rate),
        "map": list(conv.map),
        "reads": conv.reads,
        "products": conv.products,
        "axes": {"height": _axis(conv.height), "width": _axis(conv.width)},
        "kernel_positions": conv.kernel_positions,
        "dead_positions": conv.dead_positions,
        "dead_params": conv.dead_params,
        "dead_macs": conv.dead_macs,
        "padding_macs": conv.padding_macs,
        "macs": conv.macs,
        "pointwise": conv.is_pointwise,
        "least_size": None if conv.least_size is None else list(conv.least_size),
    }


def _axis(axis: AxisReach) -> dict[str, int]:
    return {"reads": axis.reads, "products": axis.products}


def _cells(conv: Reach) -> tuple[Cell, ...]:
    return (
        conv.module,
        _short(conv.rate),
        conv.map,
        conv.share,
        conv.height.share,
        conv.width.share,
        f"{conv.dead_positions} of {conv.kernel_positions}",
        conv.dead_params,
        conv.dead_macs,
        conv.padding_macs,
        _short(conv.least_size),
    )


def _record(size: str, conv: Reach) -> tuple[Cell, ...]:
    return (
        size, conv.module, *conv.rate, *conv.map, conv.reads, conv.products, conv.kernel_positions, conv.dead_positions,
        conv.dead_params, conv.dead_macs, conv.padding_macs, *(conv.least_size or (None, None)), conv.is_pointwise,
    )  # fmt: skip


def _short(pair: tuple[int, int] | None) -> tuple[int, ...] | None:
    """Two equal lengths are one."""
    return pair if pair is None or pair[0] != pair[1] else pair[:1]


def _sentence(name: str, reached: Reached) -> str:
    convs = reached.convs
    if not convs:
        return f"{name} has no dilated conv."
    whose = f"{name}'s {plural(len(convs), 'dilated conv')}"
    said = "; ".join(filter(None, (_pointwise(convs, whose), _partly_dead(convs, whose))))
    at = f"At {reached.conditions.at}, "
    if not said:
        return f"{at}every tap of {whose} reads data somewhere; {_padding(convs)}."
    return f"{at}{said}{_remedy(convs)}."


def _pointwise(convs: Sequence[Reach], whose: str) -> str:
    found = [conv for conv in convs if conv.is_pointwise]
    are = "is exactly a 1×1 conv" if len(found) == 1 else "are exactly 1×1 convs"
    return f"{len(found)} of {whose} {are}: {', '.join(map(_named, found))}" if found else ""


def _partly_dead(convs: Sequence[Reach], whose: str) -> str:
    found = [conv for conv in convs if conv.dead_positions and not conv.is_pointwise]
    have = "has" if len(found) == 1 else "have"
    said = f"{len(found)} of {whose} {have} taps that read only padding: {', '.join(map(_named, found))}"
    return said if found else ""


def _named(conv: Reach) -> str:
    dead = "" if conv.is_pointwise else f", {conv.dead_positions} of {conv.kernel_positions} taps"
    return f"{conv.module} (rate {format_shape(_short(conv.rate))} on a {format_shape(conv.map)} map{dead})"


def _padding(convs: Sequence[Reach]) -> str:
    share = Fraction(sum(conv.padding_macs for conv in convs), sum(conv.macs for conv in convs))
    return f"{format_percent(share)} of their MACs meet padding"


def _remedy(convs: Sequence[Reach]) -> str:
    """The size from which nothing is dead any more, where that is known."""
    sizes = [conv.least_size for conv in convs]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return ""
    down, across = (max(lengths) for lengths in zip(*known, strict=True))
    return f"; from {Size(down, across)} pixels on every tap reads data"
