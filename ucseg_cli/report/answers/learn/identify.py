"""``ucseg identify``: which variant a checkpoint fits, or how it differs from the nearest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ucseg_cli.analysis.family.axes_from_shapes import UNSEEN
from ucseg_cli.analysis.family.fit_checkpoint import (
    COUNTER,
    Difference,
    Identification,
    Reading,
    by_module,
)
from ucseg_cli.references.variants import Axis
from ucseg_cli.report.document import (
    Cell,
    Column,
    Highlight,
    Judgement,
    Kind,
    Report,
    Role,
    Row,
    Table,
)
from ucseg_cli.report.parts.checkpoint_notes import checkpoint_notes, raw_source, shown_source
from ucseg_cli.units import format_shape, plural

COUNTS = (
    Column("missing", "missing", Kind.EXACT),
    Column("unexpected", "unexpected", Kind.EXACT),
    Column("shape", "other shape", Kind.EXACT),
)
VERDICT = (
    Column("status", "status", Kind.STATUS),
    Column("variant", "variant"),
    Column("matched", "as expected", Kind.EXACT),
    *(column._replace(tier=1) for column in COUNTS),
)
AXIS_COLUMNS = (
    Column("axis", "axis"),
    Column("value", "value"),
    Column("known", "known from", Kind.PROSE),
)
MODULE_COLUMNS = (
    Column("module", "module", Kind.PATH),
    *COUNTS,
    Column("example", "such as", Kind.PROSE, tier=2),
)
RECORD_COLUMNS = (
    Column("kind", "kind"),
    Column("name", "name", Kind.PATH),
    Column("expected", "expected"),
    Column("found", "found"),
)


def identify_report(name: str, found: Identification, top: int | None) -> Report:
    """The verdict, how each axis is known, and the first *top* modules that differ."""
    state, status = found.candidate.state, "fits" if found.fits else "differs"
    summary = _summary(name, found)
    return Report(
        kind="ucseg.identify",
        title=f"identify {name}",
        conditions=shown_source(state),
        tables=tuple(_tables(found, status, top)),
        summary=summary,
        payload={
            "conditions": raw_source(state),
            **_payload(name, found),
            "verdict": {"status": status},
        },
        records=_records(found),
        highlights=(
            Highlight("entries as expected", found.matched),
            Highlight("entries that differ", len(found.differences)),
        ),
        notes=(*checkpoint_notes(state), *_added(found)),
        judgements=(Judgement("identify", name, "pass" if found.fits else "fail", summary),),
    )


def _added(found: Identification) -> list[str]:
    lacks = plural(found.added, "counter")
    return [f"It lacks {lacks} {COUNTER}, which torch adds as it loads."] if found.added else []


def _tables(found: Identification, status: str, top: int | None) -> list[Table]:
    verdict = _verdict_table(found, status)
    if not found.related:
        return [verdict]
    axes = Table("axes", "Axes", AXIS_COLUMNS, tuple(map(_axis_row, found.candidate.readings)))
    return [verdict, axes, *([_module_table(found, top)] if found.differences else [])]


def _verdict_table(found: Identification, status: str) -> Table:
    counts = _counts(Counter(difference.kind for difference in found.differences))
    names = (found.candidate.alike if found.fits else ()) or (found.candidate.name,)
    rows = tuple(
        Row((status, name if found.related else None, found.matched, *counts)) for name in names
    )
    return Table("verdict", "Verdict", VERDICT, rows)


def _axis_row(reading: Reading) -> Row:
    return Row((reading.axis.name, reading.axis.show(reading.value), _known_from(reading)))


def _known_from(reading: Reading) -> str:
    source = f"as {reading.source}" if reading.source else "a guess"
    match reading.seen:
        case "shapes":
            return "shapes"
        case "number":
            return f"shapes show only how many: {source}"
        case _:
            hidden = reading.axis.name in UNSEEN - {"rates"}
            return f"{'no shape shows it' if hidden else 'not in this file'}: {source}"


def _module_table(found: Identification, top: int | None) -> Table:
    first: dict[str, Difference] = {}
    for difference in found.differences:
        first.setdefault(difference.module, difference)
    modules = list(by_module(found.differences).items())
    shown, folded = modules[:top], modules[len(modules) if top is None else top :]
    rest = sum((counts for _, counts in folded), Counter[str]())
    total = sum((counts for _, counts in modules), Counter[str]())
    rows = (
        *(
            Row((module or "(own)", *_counts(counts), _example(first[module])))
            for module, counts in shown
        ),
        *(
            [Row((plural(len(folded), "other"), *_counts(rest), ""), role=Role.FOLDED)]
            if folded
            else []
        ),
        Row(("total", *_counts(total), ""), role=Role.TOTAL),
    )
    return Table(
        "modules",
        "Differences by module",
        MODULE_COLUMNS,
        rows,
        note="JSON and CSV name every entry.",
    )


def _counts(counts: Counter[str]) -> tuple[int, ...]:
    """As the columns of COUNTS have them; what is not dense is beside what has another shape."""
    return counts["missing"], counts["unexpected"], counts["shape"] + counts["layout"]


def _example(difference: Difference) -> str:
    name, expected = difference.name, format_shape(difference.expected)
    found = "no tensor" if difference.found is None else format_shape(difference.found)
    match difference.kind:
        case "missing":
            return f"no {name}, {expected}"
        case "unexpected":
            return f"{name}, {found}"
        case "shape":
            return f"{name} is {found}, not {expected}"
        case _:
            return f"{name} is not a dense tensor"


def _records(found: Identification) -> Table:
    def cells(difference: Difference) -> tuple[Cell, ...]:
        return difference.kind, difference.name, difference.expected, difference.found

    return Table(
        "differences",
        "Differences",
        RECORD_COLUMNS,
        tuple(Row(cells(difference)) for difference in found.differences),
    )


def _payload(name: str, found: Identification) -> dict[str, Any]:
    candidate = found.candidate
    return {
        "checkpoint": name,
        "variant": candidate.name if found.related else None,
        "fits": list(candidate.alike or (candidate.name,)) if found.fits else [],
        "axes": [_raw_axis(reading) for reading in candidate.readings] if found.related else [],
        "expected": found.expected,
        "matched": found.matched,
        "differences": [
            {
                **difference._asdict(),
                "module": difference.module,
                "expected": _raw(difference.expected),
                "found": _raw(difference.found),
            }
            for difference in found.differences
        ],
    }


def _raw(shape: tuple[int, ...] | None) -> list[int] | None:
    return None if shape is None else list(shape)


def _raw_axis(reading: Reading) -> dict[str, Any]:
    value = list(reading.value) if isinstance(reading.value, tuple) else reading.value
    return {
        "axis": reading.axis.name,
        "value": value,
        "known_from": reading.seen,
        "as": reading.source,
    }


def _summary(name: str, found: Identification) -> str:
    candidate = found.candidate
    if not found.related:
        entries = plural(len(candidate.state.entries), "entry", "entries")
        shared = f"only {found.shared:,} of its {entries} {'has' if found.shared == 1 else 'have'}"
        none = f"not one of its {entries} has"
        have = shared if found.shared else none
        return f"{name} is not of the family: {have} the name and shape of a variant's."
    if not found.fits:
        count = f"{plural(len(found.differences), 'entry', 'entries')}"
        most, counts = next(iter(by_module(found.differences).items()))
        return (
            f"{name} fits no variant: from the nearest, {candidate.name}, it differs in {count}, "
            f"{counts.total():,} of them in {most or 'the model itself'}."
        )
    stripped = f" once '{candidate.state.prefix}' is stripped" if candidate.state.prefix else ""
    alike = " and ".join(candidate.alike or (candidate.name,))
    *unknown, last = (
        _unknown(reading.axis) for reading in candidate.readings if reading.seen != "shapes"
    )
    return (
        f"{name} fits {alike}: strict loading takes all {found.matched:,} entries{stripped}; "
        f"shapes do not show {', '.join(unknown)} or {last}."
    )


def _unknown(axis: Axis) -> str:
    return "the values of rates" if axis.name == "rates" else axis.name
