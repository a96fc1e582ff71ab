"""The receptive fields of a model's taps and ASPP branches: as tables, and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import Any

from ucseg_cli.analysis.geometry.receptive_field import (
    ReceptiveField,
    Unknown,
    receptive_fields,
)
from ucseg_cli.analysis.geometry.stride import whole_stride
from ucseg_cli.analysis.geometry.tap_shapes import default_taps
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Tap
from ucseg_cli.report.document import Column, Kind, Row, Table
from ucseg_cli.report.fields import Field, Fields, make_table
from ucseg_cli.report.parts.probed import Probed, share_names
from ucseg_cli.report.parts.tap_cells import first_rows

MAP: Field[ReceptiveField] = Field("map", "map", attrgetter("name"), Kind.PATH)
MODULE: Field[ReceptiveField] = Field("module", "module", attrgetter("module"), Kind.PATH, 2)
AT_THIS_SIZE = "The column 'at this size' leaves out kernel positions that only ever see padding."
MOST_NAMES = 12
"""A network may have fifty gates, and fifty names say no more than their number."""


def tap_fields(probed: Probed) -> tuple[ReceptiveField, ...]:
    """The receptive field of each tap that there is."""
    trace = probed.subject.trace
    return receptive_fields(trace, default_taps(trace) if probed.taps is None else probed.taps)


def branch_fields(subject: Subject) -> tuple[ReceptiveField, ...]:
    """The receptive field of each ASPP branch under its role; none outside the family."""
    roles = subject.variant.roles() if subject.variant else {}
    return receptive_fields(
        subject.trace, [Tap(_branch(role), path) for path, role in roles.items()]
    )


def field_tables(
    here: Sequence[Probed], conditions: Conditions, top: int | None
) -> Iterator[Table]:
    """One model has a column for each property; several stand side by side where they share names.

    A model's own taps go with the branches of its ASPP. A tensor that is not an image has no
    receptive field.
    """
    title = _title(conditions)
    fields = [_shown(probed) for probed in here]
    if not any(fields):
        return
    if len(here) == 1:
        yield _of_one(title, fields[0], conditions.extent, top)
    elif share_names([frozenset(field.name for field in probed) for probed in fields]):
        yield _side_by_side(title, here, fields, top)
    else:
        for probed, shown in zip(here, fields, strict=True):
            if shown:
                yield _of_one(
                    _title(conditions, of=probed.subject.name), shown, conditions.extent, top
                )


def _title(conditions: Conditions, of: str | None = None) -> str:
    return f"Receptive fields {f'of {of} ' if of else ''}at {conditions.at}"


def _shown(probed: Probed) -> list[ReceptiveField]:
    maps = {tap.name for tap in probed.shapes if tap.map is not None}
    taps = [field for field in tap_fields(probed) if field.name in maps]
    return taps if probed.taps is not None else [*taps, *branch_fields(probed.subject)]


def _of_one(
    title: str, fields: Sequence[ReceptiveField], size: Size | None, top: int | None
) -> Table:
    named = all(field.module == field.name.partition("[")[0] for field in fields)
    columns = [MAP, *_properties(size), *(() if named else (MODULE,))]
    known = [field for field in fields if _is_known(field)]
    table = make_table("fields", title, columns, known, _note(fields))
    return table._replace(rows=first_rows(table.rows, top))


def _properties(size: Size | None) -> Fields[ReceptiveField]:
    return (
        Field("field", "height×width", attrgetter("size"), Kind.SHAPE),
        Field("live", "at this size", attrgetter("live_size"), Kind.SHAPE),
        Field("share", "of the input", lambda field: _share(field, size), Kind.RATIO, 1),
        Field("stride", "stride", lambda field: whole_stride(field.stride), Kind.EXACT, 1),
        Field("context", "global gates", lambda f: len(f.global_context), Kind.EXACT, 1),
    )


def _is_known(field: ReceptiveField) -> bool:
    """Whether every operator on the way is; a map after global pooling sees everything."""
    return field.unknown is None


def field_entry(field: ReceptiveField | None) -> dict[str, Any]:
    """For scripts: height and width in pixels, and the modules that pool globally."""
    return {
        "receptive_field": None if field is None or field.size is None else list(field.size),
        "receptive_field_at_size": None
        if field is None or field.live_size is None
        else list(field.live_size),
        "global_context": [] if field is None else list(field.global_context),
    }


def branch_entry(field: ReceptiveField) -> dict[str, Any]:
    """One ASPP branch for scripts."""
    return {
        "name": field.name,
        "module": field.module,
        "stride": whole_stride(field.stride),
        **field_entry(field),
    }


def _branch(role: str) -> str:
    """``aspp.branches[rate 6]`` as ``rate 6``."""
    return role.partition("[")[2].removesuffix("]")


def _share(field: ReceptiveField, size: Size | None) -> Fraction | None:
    """The extent it sees at this size of the input's side, along the axis where that is less."""
    if field.live_size is None or size is None:
        return None
    return min(Fraction(field.live_size[0], size.height), Fraction(field.live_size[1], size.width))


def _note(fields: Sequence[ReceptiveField]) -> str | None:
    gates = list(dict.fromkeys(path for field in fields for path in field.global_context))
    sentences = []
    if any(field.live_size != field.size for field in fields):
        sentences.append(AT_THIS_SIZE)
    if gates:
        sentences.append(f"On an input without borders, global gates set aside: {_listed(gates)}.")
    return " ".join([*sentences, *_unknown(fields)]) or None


def _unknown(fields: Iterable[ReceptiveField]) -> list[str]:
    """A sentence for each reason."""
    by_reason: dict[Unknown, dict[str, None]] = {}
    for field in fields:
        if field.unknown is not None:
            by_reason.setdefault(field.unknown, {})[field.name] = None
    return [
        f"Not known, {reason.value}: {_listed(list(names))}." for reason, names in by_reason.items()
    ]


def _listed(names: Sequence[str]) -> str:
    """The names, the last of many only counted."""
    shown = [
        *names[:MOST_NAMES],
        *([f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []),
    ]
    return ", ".join(shown)


def _side_by_side(
    title: str, here: Sequence[Probed], fields: Sequence[Sequence[ReceptiveField]], top: int | None
) -> Table:
    by_model = [
        {field.name: field.live_size for field in probed if _is_known(field)} for probed in fields
    ]
    names = dict.fromkeys(
        name for probed in sorted(by_model, key=len, reverse=True) for name in probed
    )
    columns = (
        Column(f"{probed.subject.name}.field", f"{probed.subject.name} H×W", Kind.SHAPE)
        for probed in here
    )
    rows = (Row((name, *(probed.get(name) for probed in by_model))) for name in names)
    note = (
        "At this size, without kernel positions that only ever see padding: "
        "see `ucseg reach MODEL`."
    )
    unknown = _unknown([field for probed in fields for field in probed if field.name not in names])
    return Table(
        "fields", title, (MAP.column, *columns), first_rows(rows, top), " ".join([note, *unknown])
    )
