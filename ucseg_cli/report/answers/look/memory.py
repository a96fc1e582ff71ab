"""``ucseg memory``: the peak of activations, what is alive then, and what is kept too long."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ucseg_cli.analysis.counters.switches import memory_notes
from ucseg_cli.analysis.memory.peak_memory import (
    ATTENTION,
    RECURRENT,
    Held,
    Peak,
    calls_on_cpu,
    fused_calls,
    minimum_memory,
    peak_memory,
    weights_bytes,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.report.document import Cell, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.fields import (
    Field,
    Fields,
    Output,
    make_entries,
    make_records,
    make_table,
)
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.report.parts.trained.step_notes import UNSEEN
from ucseg_cli.units import exact_ratio, format_bytes, format_percent, format_shape, plural

if TYPE_CHECKING:
    from ucseg_cli.report.pictures.picture import Picture

NAMED = 6
"""How many storages a note names."""
OTHERWISE = {"one_hot", "embedding_bag", "_embedding_bag", "_embedding_bag_forward_only"}

Figure = tuple[str, int, Cell, Cell]
FIGURES: Fields[Figure] = (
    Field("figure", "figure", lambda figure: figure[0]),
    Field("bytes", "bytes", lambda figure: figure[1], Kind.BYTES),
    Field("module", "in module", lambda figure: figure[2], Kind.PATH, 1),
    Field("op", "operator", lambda figure: figure[3], tier=2),
)


def memory_report(
    subject: Subject, conditions: Conditions, dtype: str | None, *, top: int | None
) -> Report:
    """The peak of a model, or as if it were of *dtype*; only the *top* largest storages."""
    peak, minimum = peak_memory(subject.trace, dtype), minimum_memory(subject.trace, dtype)
    weights = weights_bytes(subject.trace, dtype)
    fields, as_if = _fields(peak.bytes), {"dtype": dtype} if dtype else {}
    return Report(
        kind="ucseg.memory",
        title=f"memory {subject.name}",
        conditions={**shown_conditions([conditions]), **as_if},
        tables=(_figures_table(peak, minimum, weights), _alive_table(fields, peak, top)),
        summary=_summary(subject, conditions, peak, weights),
        payload={
            "conditions": {**raw_conditions([conditions]), **as_if},
            "model": subject.name,
            "dtype": dtype,
            "peak": _peak(fields, peak),
            "least": _peak(fields, minimum),
            "weights_bytes": weights,
        },
        records=make_records("alive", fields, peak.alive),
        pictures=lambda: _over_the_pass(subject.trace, dtype),
        highlights=(
            Highlight("peak memory", peak.bytes, Unit.BYTES),
            Highlight("minimum for this order", minimum.bytes, Unit.BYTES),
            Highlight("weights and buffers", weights, Unit.BYTES),
        ),
        notes=(
            *_overdue_notes(peak),
            *_kernel_notes(subject.trace),
            *memory_notes(subject.trace),
            UNSEEN,
        ),
    )


def _over_the_pass(trace: Trace, dtype: str | None) -> tuple[Picture, ...]:
    # only a format that draws needs it
    from ucseg_cli.report.parts.drawn.memory_over_the_pass import memory_over_the_pass

    return memory_over_the_pass(trace, dtype)


def _fields(whole: int) -> Fields[Held]:
    tables, json = Output.TABLES, Output.JSON
    return (
        Field("module", "module", _name, Kind.PATH, output=tables),
        Field("op", "made by", lambda held: held.op, tier=2, output=tables),
        Field("shape", "shape", lambda held: held.shape, Kind.SHAPE, tier=1),
        Field("bytes", "bytes", lambda held: held.bytes, Kind.BYTES),
        Field("share", "share", lambda held: exact_ratio(held.bytes, whole), Kind.SHARE, tier=1),
        Field("needed", "still needed", _needed, tier=3, output=tables),
        Field("dtype", "", lambda held: held.dtype, output=json),
        Field("module", "", lambda held: held.module, output=json),
        Field("op", "", lambda held: held.op or None, output=json),
        Field("needed", "", lambda held: held.needed, output=json),
    )


def _needed(held: Held) -> str:
    return "yes" if held.needed else "no"


def _figures_table(peak: Peak, minimum: Peak, weights: int) -> Table:
    figures: tuple[Figure, ...] = (
        ("peak memory", peak.bytes, *_place(peak)),
        ("– input", peak.input_bytes, None, None),
        ("– could be freed", sum(held.bytes for held in peak.overdue), None, None),
        ("minimum for this order", minimum.bytes, *_place(minimum)),
        ("weights and buffers", weights, None, None),
    )
    return make_table("memory", "Memory", FIGURES, figures)


def _alive_table(fields: Fields[Held], peak: Peak, top: int | None) -> Table:
    shown = peak.alive[:top]
    folded = peak.alive[len(shown) :]
    sums = [_sum_row(plural(len(folded), "other"), folded, peak, Role.FOLDED)] if folded else []
    sums.append(_sum_row("total", peak.alive, peak, Role.TOTAL))
    rows: list[Held | Row] = [*shown, *sums]
    return make_table("alive", "Alive at the peak", fields, rows)


def _sum_row(name: str, several: Sequence[Held], peak: Peak, role: Role) -> Row:
    total = sum(held.bytes for held in several)
    return Row((name, "", "", total, exact_ratio(total, peak.bytes), ""), role=role)


def _name(held: Held) -> str:
    """The module that made it; what the model itself makes or is given stands in brackets."""
    return label(held.module, own=not held.module) if held.op else "(input)"


def _place(peak: Peak) -> tuple[Cell, Cell]:
    return (label(peak.module, own=not peak.module), peak.op) if peak.op else (None, None)


def _kernel_notes(trace: Trace) -> Iterator[str]:
    """The kernels that the figures assume, and those that hold what is not seen."""
    kernels, on_cpu = fused_calls(trace), calls_on_cpu(trace)
    attention = [call for call in kernels if trace.ops[call].name == ATTENTION]
    if attention:
        calls = plural(len(attention), "call")
        yield f"{calls} of attention, each as one kernel without a score matrix."
    if layers := _recurrent(trace, kernels):
        yield (
            f"As one kernel for each layer and direction: {layers}. "
            "The weights that it packs anew, and its own work space, are not seen."
        )
    if taken := _recurrent(trace, on_cpu - kernels):
        yield f"Operator by operator as on the CPU: {taken}. A GPU runs one kernel instead."
    others = {index for index, op in enumerate(trace.ops) if op.composite} - on_cpu
    if trace.device == "meta" and (otherwise := _done_otherwise(trace)):
        yield f"Not exact, since the CPU does it in another way: {', '.join(otherwise)}."
    if unknown := _recurrent(trace, others):
        yield f"Not exact, since the CPU takes another way that could not be followed: {unknown}."


def _done_otherwise(trace: Trace) -> Iterable[str]:
    """The operators that leave other storages on meta than on the CPU, each once."""
    norms = (op for op in trace.ops if op.name == "native_batch_norm")
    odd = ["batch_norm" for op in norms if trace.tensors[op.outputs[0]].dtype != "float32"]
    return dict.fromkeys([op.name for op in trace.ops if op.name in OTHERWISE] + odd)


def _recurrent(trace: Trace, calls: Collection[int]) -> str:
    """The calls of recurrent layers among *calls*, with their modules: ``gru in encoder``."""
    found = (call for call in sorted(calls) if trace.ops[call].name in RECURRENT)
    named = dict.fromkeys(map(partial(_call, trace), found))
    shown = [f"{op} in {path or 'the model itself'}" for path, op in named]
    others = [plural(len(shown) - NAMED, "other")] if len(shown) > NAMED else []
    return ", ".join(shown[:NAMED] + others)


def _call(trace: Trace, call: int) -> tuple[str, str]:
    op = trace.ops[call]
    return trace.modules[op.module].path, op.name


def _overdue_notes(peak: Peak) -> tuple[str, ...]:
    if not peak.overdue:
        return ()
    named = [f"{_name(held)} {format_bytes(held.bytes)}" for held in peak.overdue[:NAMED]]
    others = [plural(len(peak.overdue) - NAMED, "other")] if len(peak.overdue) > NAMED else []
    return (f"Kept alive, though never read again: {', '.join(named + others)}.",)


def _peak(fields: Fields[Held], peak: Peak) -> dict[str, Any]:
    return {
        "bytes": peak.bytes,
        "input_bytes": peak.input_bytes,
        "module": peak.module,
        "op": peak.op or None,
        "alive": make_entries(fields, peak.alive),
    }


def _summary(subject: Subject, conditions: Conditions, peak: Peak, weights: int) -> str:
    inference = f"Inference of {subject.name} at {conditions.at}"
    needs = f"{inference} needs at most {format_bytes(peak.bytes)}"
    where = f", in {peak.module or 'the model itself'}" if peak.op else ""
    largest = f"; {_largest(peak)}" if peak.alive else ""
    added = f"Weights add {format_bytes(weights)}."
    return f"{needs} for activations{where}{largest}. {added}"


def _largest(peak: Peak) -> str:
    held = peak.alive[0]
    share, shape = format_percent(exact_ratio(held.bytes, peak.bytes)), format_shape(held.shape)
    maker = f"{shape} that {held.op} makes in {held.module or 'the model itself'}"
    return f"{share} of it is the {maker if held.op else f'input {shape}'}"
