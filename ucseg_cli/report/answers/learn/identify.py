"""``ucseg identify``: which variant a checkpoint fits, or how it differs from the nearest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from ucseg_cli.analysis.comparing.loading import COUNTER, Difference, Loading
from ucseg_cli.analysis.family.axes_from_shapes import UNSEEN
from ucseg_cli.analysis.family.fit_checkpoint import (
    Identification,
    Reading,
    by_module,
)
from ucseg_cli.references.variants import Axis
from ucseg_cli.report.answers.choose.loading_tables import DIFFERENCES
from ucseg_cli.report.document import Highlight, Judgement, Kind, Report, Role, Row, Table
from ucseg_cli.report.fields import (
    Field,
    Fields,
    Output,
    make_entries,
    make_records,
    make_row,
    make_table,
)
from ucseg_cli.report.parts.checkpoint_notes import checkpoint_notes, raw_source, shown_source
from ucseg_cli.units import format_shape, plural

SCREEN, JSON = Output.SCREEN, Output.JSON


class _Fit(NamedTuple):
    """A variant that the checkpoint fits, or the nearest."""

    status: str
    variant: str | None
    matched: int
    counts: Counter[str]


class _Part(NamedTuple):
    """The entries of a module that differ."""

    module: str
    counts: Counter[str]
    example: str = ""


def _other_shape(part: _Fit | _Part) -> int:
    """Entries of another shape, and those whose tensor is not dense or has no values."""
    return part.counts["shape"] + part.counts["layout"] + part.counts["meta"]


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


def _counts(tier: int) -> Fields[Any]:
    return (
        Field("missing", "missing", lambda part: part.counts["missing"], Kind.EXACT, tier),
        Field("unexpected", "unexpected", lambda part: part.counts["unexpected"], Kind.EXACT, tier),
        Field("shape", "other shape", _other_shape, Kind.EXACT, tier),
    )


FITS: Fields[_Fit] = (
    Field("status", "status", attrgetter("status"), Kind.STATUS),
    Field("variant", "variant", attrgetter("variant")),
    Field("matched", "as expected", attrgetter("matched"), Kind.EXACT),
    *_counts(tier=1),
)
AXES: Fields[Reading] = (
    Field("axis", "axis", attrgetter("axis.name")),
    Field("value", "value", lambda reading: reading.axis.show(reading.value), output=SCREEN),
    Field("value", "", attrgetter("value"), output=JSON),
    Field("known", "known from", _known_from, Kind.PROSE, output=SCREEN),
    Field("known_from", "", attrgetter("seen"), output=JSON),
    Field("as", "", attrgetter("source"), output=JSON),
)
PARTS: Fields[_Part] = (
    Field("module", "module", attrgetter("module"), Kind.PATH),
    *_counts(tier=0),
    Field("example", "such as", attrgetter("example"), Kind.PROSE, tier=2),
)


def identify_report(name: str, found: Identification, top: int | None) -> Report:
    """The verdict, how each axis is known, and the first *top* modules that differ."""
    candidate, loading = found.candidate, found.loading
    status = "fits" if loading.is_strict else "differs"
    state, summary = loading.state, _summary(name, found)
    fits = (candidate.alike or (candidate.name,)) if loading.is_strict else ()
    return Report(
        kind="ucseg.identify",
        title=f"identify {name}",
        conditions=shown_source(state),
        tables=tuple(_tables(found, status, top)),
        summary=summary,
        payload={
            "conditions": raw_source(state),
            "checkpoint": name,
            "variant": candidate.name if found.related else None,
            "fits": list(fits),
            "axes": make_entries(AXES, candidate.readings) if found.related else [],
            "expected": loading.expected,
            "matched": loading.matched,
            "differences": make_entries(DIFFERENCES, loading.differences),
            "verdict": {"status": status},
        },
        records=make_records("differences", DIFFERENCES, loading.differences),
        highlights=(
            Highlight("entries as expected", loading.matched),
            Highlight("entries that differ", len(loading.differences)),
        ),
        notes=(*checkpoint_notes(state), *_added(loading)),
        judgements=(Judgement("identify", name, "pass" if loading.is_strict else "fail", summary),),
    )


def _added(loading: Loading) -> list[str]:
    lacks = plural(loading.added, "counter")
    return [f"It lacks {lacks} {COUNTER}, which torch adds as it loads."] if loading.added else []


def _tables(found: Identification, status: str, top: int | None) -> Iterator[Table]:
    loading = found.loading
    counts = Counter(difference.kind for difference in loading.differences)
    names = (found.candidate.alike if loading.is_strict else ()) or (found.candidate.name,)
    named = (name if found.related else None for name in names)
    fits = [_Fit(status, name, loading.matched, counts) for name in named]
    yield make_table("verdict", "Verdict", FITS, fits)
    if found.related:
        yield make_table("axes", "Axes", AXES, found.candidate.readings)
    if found.related and loading.differences:
        rows, note = _rows_by_module(found, top), "JSON and CSV name every entry."
        yield make_table("modules", "Differences by module", PARTS, rows, note)


def _rows_by_module(found: Identification, top: int | None) -> Iterator[_Part | Row]:
    first: dict[str, Difference] = {}
    for difference in found.loading.differences:
        first.setdefault(difference.module, difference)
    parts = [
        _Part(module or "(own)", counts, _example(first[module]))
        for module, counts in by_module(found.loading.differences).items()
    ]
    shown, folded = parts[:top], parts[len(parts) if top is None else top :]
    yield from shown
    if folded:
        yield make_row(PARTS, _sum(plural(len(folded), "other"), folded), role=Role.FOLDED)
    yield make_row(PARTS, _sum("total", parts), role=Role.TOTAL)


def _sum(name: str, parts: list[_Part]) -> _Part:
    return _Part(name, sum((part.counts for part in parts), Counter[str]()))


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
        case "meta":
            return f"{name} has no values"
        case _:
            return f"{name} is not a dense tensor"


def _summary(name: str, found: Identification) -> str:
    candidate, loading = found.candidate, found.loading
    if not found.related:
        entries = plural(len(candidate.state.entries), "entry", "entries")
        shared = f"only {found.shared:,} of its {entries} {'has' if found.shared == 1 else 'have'}"
        none = f"not one of its {entries} has"
        have = shared if found.shared else none
        return f"{name} is not of the family: {have} the name and shape of a variant's."
    if not loading.is_strict:
        count = f"{plural(len(loading.differences), 'entry', 'entries')}"
        most, counts = next(iter(by_module(loading.differences).items()))
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
        f"{name} fits {alike}: strict loading takes all {loading.matched:,} entries{stripped}; "
        f"shapes do not show {', '.join(unknown)} or {last}."
    )


def _unknown(axis: Axis) -> str:
    return "the values of rates" if axis.name == "rates" else axis.name
