"""``ucseg memory --train``: the peak of a training step, its parts, and the largest batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows
from ucseg_cli.analysis.memory.batches import Batches
from ucseg_cli.analysis.memory.training_memory import (
    LOSS,
    PARTS,
    SAVED,
    TrainingPeak,
    training_peak,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.choices import OPTIMIZERS
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training
from ucseg_cli.report.document import Cell, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.fields import Field, Fields, make_entries, make_records, make_row, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import (
    PLACE,
    Arrangement,
    count_of,
    label,
    module_table,
    share_of,
)
from ucseg_cli.report.parts.trained.step_notes import step_notes
from ucseg_cli.report.parts.trained.step_parts import TITLES, peak_payload
from ucseg_cli.units import exact_ratio, format_bytes, format_percent

if TYPE_CHECKING:
    from ucseg_cli.report.pictures.picture import Picture

OF_THE_LOSS = "(loss)"


class Part(NamedTuple):
    """One of PARTS at the peak."""

    name: str
    bytes: int
    peak: int


PARTS_OF_STEP: Fields[Part] = (
    Field("part", "part", lambda part: TITLES.get(part.name, part.name)),
    Field("bytes", "bytes", lambda part: part.bytes, Kind.BYTES),
    Field("share", "share", lambda part: exact_ratio(part.bytes, part.peak), Kind.SHARE, tier=1),
)


class Tried(NamedTuple):
    """A batch, how it stands to the limit, and its peak."""

    meaning: str
    batch: int
    peak: TrainingPeak
    limit: int


BATCHES: Fields[Tried] = (
    Field("meaning", "", lambda tried: tried.meaning),
    Field("batch", "batch", lambda tried: tried.batch, Kind.EXACT),
    Field("peak", "peak", lambda tried: tried.peak.bytes, Kind.BYTES),
    Field("used", "of limit", lambda tried: exact_ratio(tried.peak.bytes, tried.limit), Kind.RATIO),
    Field("phase", "in", lambda tried: tried.peak.phase, tier=1),
    Field("module", "of module", lambda tried: _module(tried.peak), Kind.PATH, tier=2),
    Field("op", "operator", lambda tried: tried.peak.op, tier=3),
)


def training_memory_report(
    subject: Subject, conditions: Conditions, batches: Batches | None, *, top: int | None
) -> Report:
    """The peak of a step of a model; the *top* modules, and *batches* if the largest was sought."""
    peak, trace = training_peak(subject.trace), subject.trace
    training = conditions.training or Training()
    parts = [Part(name, peak.parts[name], peak.bytes) for name in PARTS]
    total = Part("peak", peak.bytes, peak.bytes)
    fields, rows = _saved_fields(peak.parts[SAVED]), _saved_rows(trace, peak)
    tried = list(_tried(batches)) if batches else []
    step: list[Part | Row] = [*parts, make_row(PARTS_OF_STEP, total, role=Role.TOTAL)]
    return Report(
        kind="ucseg.memory",
        title=f"memory {subject.name}",
        conditions=shown_conditions([conditions]),
        tables=(
            *([make_table("batches", "Batches", BATCHES, tried)] if tried else ()),
            make_table("step", "Training step at its peak", PARTS_OF_STEP, step),
            _saved_table(fields, rows, peak, top),
        ),
        summary=_summary(subject, conditions, training, peak, batches),
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "train": peak_payload(peak),
            "saved": make_entries(fields, rows),
            "largest_batch": _largest(batches, tried),
        },
        records=make_records("parts", PARTS_OF_STEP, parts),
        pictures=lambda: _over_the_step(subject.trace),
        highlights=(
            Highlight("training step", peak.bytes, Unit.BYTES),
            Highlight(TITLES[SAVED], peak.parts[SAVED], Unit.BYTES),
            *([Highlight("largest batch", batches.largest)] if batches and batches.largest else ()),
        ),
        notes=(*step_notes([subject], training),),
    )


def _saved_fields(whole: int) -> Fields[TreeRow]:
    return (
        *PLACE,
        Field("saved", "saved", count_of(SAVED), Kind.BYTES),
        Field("share", "share", share_of(SAVED, whole), Kind.SHARE, tier=1),
    )


def _saved_rows(trace: Trace, peak: TrainingPeak) -> list[TreeRow]:
    """Storages kept for backward by the module that made them, and those of the loss."""
    own: dict[str, Counter[str]] = {}
    for (phase, module), size in peak.saved.items():
        path = OF_THE_LOSS if phase == LOSS else module
        own.setdefault(path, Counter())[SAVED] += size
    loss = own.pop(OF_THE_LOSS, Counter({SAVED: 0}))
    rows = module_rows(trace, own or {"": Counter({SAVED: 0})}, max_depth=2)
    return [*rows, TreeRow(OF_THE_LOSS, "", 1, loss, leaf=True)]


def _saved_table(
    fields: Fields[TreeRow], rows: list[TreeRow], peak: TrainingPeak, top: int | None
) -> Table:
    total = TreeRow("total", "", 1, {SAVED: peak.parts[SAVED]})
    title = "Saved for backward, by module"
    return module_table(title, fields, rows, Arrangement(top=top, sort="tree"), SAVED, total)


def _tried(batches: Batches) -> Iterator[Tried]:
    """Half of the largest batch that fits, this itself, and the one that does not."""
    named = (("half", batches.half), ("fits", batches.largest), ("too large", batches.next))
    for meaning, batch in named:
        if batch is not None:
            yield Tried(meaning, batch, batches.peaks[batch], batches.limit)


def _largest(batches: Batches | None, tried: list[Tried]) -> Mapping[str, Any] | None:
    if batches is None:
        return None
    return {
        "limit": batches.limit,
        "batch": batches.largest,
        "tried": make_entries(BATCHES, tried),
    }


def _module(peak: TrainingPeak) -> Cell:
    return label(peak.module, own=not peak.module)


def _over_the_step(trace: Trace) -> tuple[Picture, ...]:
    # only a format that draws needs it
    from ucseg_cli.report.parts.drawn.memory_over_the_pass import training_over_the_step

    return training_over_the_step(trace, TITLES)


def _summary(
    subject: Subject,
    conditions: Conditions,
    training: Training,
    peak: TrainingPeak,
    batches: Batches | None,
) -> str:
    step = f"a training step of {subject.name} with {OPTIMIZERS[training.optimizer]}"
    where = f"in {peak.phase} of {peak.module or 'the model itself'}"
    share = format_percent(exact_ratio(peak.parts[SAVED], peak.bytes))
    at = conditions.at
    if batches is None:
        needs = f"on {conditions.shown} needs at most {format_bytes(peak.bytes)}"
        return f"{step[0].upper()}{step[1:]} {needs}, {where}; {share} is saved for backward."
    limit = format_bytes(batches.limit)
    if batches.largest is None:
        needs = f"even batch {batches.shown} needs {format_bytes(peak.bytes)}, {where}"
        return f"No batch of {step} at {at} fits {limit}: {needs}."
    fits = f"Batch {batches.largest} is the largest that fits {limit} in {step} at {at}"
    if batches.next is None:
        return f"{fits}, of those up to {batches.most:,} that were tried."
    beyond = batches.peaks[batches.next]
    over = format_bytes(beyond.bytes - batches.limit)
    stops = f"{batches.next} needs {over} more than that, in {beyond.phase} of "
    return f"{fits}; {stops}{beyond.module or 'the model itself'}."
