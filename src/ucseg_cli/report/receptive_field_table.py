"""The receptive fields of a model's taps and ASPP branches: as tables, and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from ucseg_cli.analysis.receptive_field import ReceptiveField, receptive_fields
from ucseg_cli.analysis.stride import whole_stride
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.conditions import Conditions, Size
from ucseg_cli.report.document import Cell, Column, Kind, Row, Table
from ucseg_cli.trace import Tap

COLUMNS = (
    Column("map", "map"),
    Column("field", "height×width", Kind.SHAPE),
    Column("live", "at this size", Kind.SHAPE),
    Column("share", "of the input", Kind.RATIO, tier=1),
    Column("stride", "stride", Kind.EXACT, tier=1),
    Column("context", "global gates", Kind.EXACT, tier=1),
    Column("module", "module", Kind.PATH, tier=2),
)


def tap_fields(subject: Subject) -> tuple[ReceptiveField, ...]:
    """The receptive field of each tap."""
    return receptive_fields(subject.trace, subject.trace.taps)


def branch_fields(subject: Subject) -> tuple[ReceptiveField, ...]:
    """The receptive field of each ASPP branch under its role; none outside the family."""
    roles = subject.variant.roles() if subject.variant else {}
    return receptive_fields(subject.trace, [Tap(_branch(role), path) for path, role in roles.items()])


def field_tables(subjects: Sequence[Subject], conditions: Conditions) -> Iterator[Table]:
    """One model has a column for each property; several stand side by side, a column each."""
    title = f"Receptive fields at {conditions.label}"
    fields = [(*tap_fields(subject), *branch_fields(subject)) for subject in subjects]
    if not any(fields):
        return
    if len(fields) > 1:
        yield _side_by_side(title, subjects, fields)
    else:
        yield Table(
            "fields",
            title,
            COLUMNS,
            tuple(Row(_cells(field, conditions.extent)) for field in fields[0]),
            _note(fields[0]),
        )


def field_entry(field: ReceptiveField) -> dict[str, Any]:
    """What a map sees, for scripts: height and width in pixels, and the modules through which it sees everything."""
    return {
        "receptive_field": None if field.size is None else list(field.size),
        "receptive_field_at_size": None if field.live_size is None else list(field.live_size),
        "global_context": list(field.global_context),
    }


def branch_entry(field: ReceptiveField) -> dict[str, Any]:
    """One ASPP branch for scripts."""
    return {"name": field.name, "module": field.module, "stride": whole_stride(field.stride), **field_entry(field)}


def _branch(role: str) -> str:
    """``aspp.branches[rate 6]`` as ``rate 6``."""
    return role.partition("[")[2].removesuffix("]")


def _cells(field: ReceptiveField, size: Size | None) -> tuple[Cell, ...]:
    share = _share(field, size)
    return (
        field.name,
        field.size,
        field.live_size,
        share,
        whole_stride(field.stride),
        len(field.global_context),
        field.module,
    )


def _share(field: ReceptiveField, size: Size | None) -> Fraction | None:
    """What it sees at this size of the input's side, along the axis where that is less."""
    if field.live_size is None or size is None:
        return None
    return min(Fraction(field.live_size[0], size.height), Fraction(field.live_size[1], size.width))


def _note(fields: Iterable[ReceptiveField]) -> str | None:
    fields = tuple(fields)
    gates = dict.fromkeys(path for field in fields for path in field.global_context)
    sentences = []
    if any(field.live_size != field.size for field in fields):
        sentences.append("At this size means without taps that read padding at every position.")
    if gates:
        sentences.append(f"On an input without borders, global gates set aside: {', '.join(gates)}.")
    return " ".join(sentences) or None


def _side_by_side(title: str, subjects: Sequence[Subject], fields: Sequence[Sequence[ReceptiveField]]) -> Table:
    by_model = [{field.name: field.live_size for field in each} for each in fields]
    names = dict.fromkeys(name for each in sorted(by_model, key=len, reverse=True) for name in each)
    columns = (Column(f"{subject.name}.field", f"{subject.name} H×W", Kind.SHAPE) for subject in subjects)
    rows = (Row((name, *(each.get(name) for each in by_model))) for name in names)
    note = "At this size: without taps that read padding at every position; `ucseg reach MODEL` tells which do."
    return Table("fields", title, (Column("map", "map"), *columns), tuple(rows), note)
