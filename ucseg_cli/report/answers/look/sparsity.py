"""``ucseg params --sparsity``: zeros by module and type, and the channels that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.counting.module_tree import TreeRow, module_rows
from ucseg_cli.analysis.counting.zeros_by_module import ZERO_METRICS, TypeZeros, zeros_by_type
from ucseg_cli.analysis.narrowing.sparse_weights import CHANNEL_METRICS, MACS, SparseWeights
from ucseg_cli.analysis.narrowing.zero_channels import LayerChannels, Removal
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.state_dict import Entry, buffer_names, pruning_masks
from ucseg_cli.report.answers.look.params import state_dict_report
from ucseg_cli.report.document import First, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_row, make_table
from ucseg_cli.report.parts.checkpoint_notes import checkpoint_notes, shown_source
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import (
    PLACE,
    Arrangement,
    count_of,
    label,
    module_records,
    module_table,
)
from ucseg_cli.units import exact_ratio, format_count, format_percent, plural, spoken_count

MOST_LAYERS = 12
"""Rows of a screen that is not asked for more."""
COMPARED = ("params", MACS, "fvcore", "peak-memory")
"""The metrics of a network that a removal is shown to change."""
ROWS = (
    "slices along the first axis of a weight that are all zero, such as output channels of a conv "
    "or linear layer"
)
REMOVABLE = "channels without which the network computes the same"


LAYERS: Fields[LayerChannels] = (
    Field("path", "layer", lambda layer: label(layer.path, own=not layer.path), Kind.PATH),
    Field("channels", "channels", attrgetter("channels"), Kind.EXACT, 2),
    Field("zero", "zero", lambda layer: _number(layer.zero), Kind.EXACT, 1, Output.TABLES),
    Field("zero", "", attrgetter("zero"), output=Output.JSON),
    Field(
        "removable",
        "removable",
        lambda layer: len(layer.removable),
        Kind.EXACT,
        output=Output.TABLES,
    ),
    Field("removable", "", attrgetter("removable"), output=Output.JSON),
    Field(
        "kept",
        "zero, but kept since",
        lambda layer: "; ".join(f"{count:,}: {reason}" for reason, count in layer.kept),
        Kind.PROSE,
        2,
        Output.TABLES,
    ),
    Field(
        "kept",
        "",
        lambda layer: [{"reason": reason, "channels": count} for reason, count in layer.kept],
        output=Output.JSON,
    ),
)


def _number(places: tuple[int, ...] | None) -> int | None:
    return None if places is None else len(places)


def sparsity_report(found: SparseWeights, conditions: Conditions, rows: Arrangement) -> Report:
    """The zeros of a checkpoint; with a network, also what it costs without their channels."""
    whole = state_dict_report(found.name, found.state, rows)
    answer = _Answer(found, rows)
    return whole._replace(
        title=f"params {found.name} --sparsity",
        conditions=_shown(found, conditions),
        tables=tuple(answer.tables(rows.top, rows.top)),
        records=module_records(answer.fields, answer.rows, rows, "zeros"),
        summary=_summary(found, answer.total),
        notes=(*checkpoint_notes(found.state), *_notes(found, answer.total["zero_rows"])),
        payload={
            **whole.payload,
            "conditions": _raw(found, conditions, whole.payload["conditions"]),
            "sparsity": answer.payload(),
        },
        highlights=_highlights(found, answer.total),
        first=answer.first(),
    )


class _Answer:
    """The tables of an answer, from figures that are added up once."""

    def __init__(self, found: SparseWeights, arrangement: Arrangement) -> None:
        trace, own = found.trace, found.own()
        self._found = found
        self._arrangement = arrangement
        self.rows = module_rows(trace, own, max_depth=arrangement.depth)
        metrics = (*ZERO_METRICS, *(CHANNEL_METRICS if found.removal else ()))
        self.total = {
            metric: sum(figures[metric] for figures in own.values()) for metric in metrics
        }
        self._sum = TreeRow("total", trace.modules[0].type, 1, self.total)
        self.fields = _module_fields(found, self.total)
        self._types = zeros_by_type(found.state, found.zeros, found.stored)

    def tables(self, top: int | None, most_layers: int | None) -> Iterator[Table]:
        """Modules, types, and with a network its layers and costs."""
        arrangement = self._arrangement._replace(top=top)
        title = "Zeros by module"
        yield module_table(title, self.fields, self.rows, arrangement, "zeros", self._sum)
        yield _types_table(self._types)
        if (removal := self._found.removal) is not None:
            if removal.layers:
                yield _layers_table(removal.layers, most_layers)
            if self.total["removable"]:
                yield _costs_table(removal)

    def first(self) -> First | None:
        """The first layers of a long table; None if there is none, or it was asked for more."""
        removal = self._found.removal
        layers = removal.layers if removal else ()
        if self._arrangement.top is not None or len(layers) <= MOST_LAYERS:
            return None
        return First(tuple(self.tables(None, MOST_LAYERS)), "JSON has every layer.")

    def payload(self) -> dict[str, Any]:
        """All of it for scripts."""
        removal = self._found.removal
        return {
            "total": self.total,
            "modules": make_entries(self.fields, self.rows),
            "types": [row._asdict() for row in self._types],
            "entries": _entries(self._found),
            "removal": removal and _removal_payload(self._found, removal),
        }


# Modules


def _module_fields(found: SparseWeights, total: dict[str, int]) -> list[Field[TreeRow]]:
    zeros: list[Field[TreeRow]] = [
        *PLACE,
        Field("params", "parameters", count_of("params"), Kind.QUANTITY, 2),
        Field("zeros", "zeros", count_of("zeros"), Kind.QUANTITY),
        Field("share", "share", _share, Kind.SHARE, 1),
    ]
    if total["unknown"]:
        legend = "of which it is not known whether they are zero; the share is that of the others"
        zeros.append(
            Field("unknown", "unknown", count_of("unknown"), Kind.QUANTITY, 2, legend=legend)
        )
    if found.removal is None:
        rows = Field("zero_rows", "zero rows", count_of("zero_rows"), Kind.EXACT, 1, legend=ROWS)
        return [*zeros, rows]
    return [
        *zeros,
        Field("zero_channels", "zero channels", count_of("zero_channels"), Kind.EXACT, 2),
        Field("removable", "removable", count_of("removable"), Kind.EXACT, 1, legend=REMOVABLE),
        Field("macs_saved", "MACs saved", count_of("macs_saved"), Kind.QUANTITY, 1),
    ]


def _share(row: TreeRow) -> Fraction | None:
    figures = row.figures
    known = figures.get("params", 0) - figures.get("unknown", 0)
    return exact_ratio(figures.get("zeros", 0), known)


# Types and entries


def _types_table(types: Sequence[TypeZeros]) -> Table:
    unknown = sum(row.unknown for row in types)
    packed = any(row.packing for row in types)
    fields: list[Field[TypeZeros]] = [
        Field("name", "stored as", attrgetter("name")),
        Field("entries", "entries", attrgetter("entries"), Kind.EXACT, 2),
        Field("elements", "elements", attrgetter("elements"), Kind.QUANTITY, 2),
    ]
    if packed:
        legend = "numbers that the elements stand for"
        fields += [
            Field("packing", "packing", attrgetter("packing"), tier=1),
            Field("values", "values", attrgetter("values"), Kind.QUANTITY, 1, legend=legend),
        ]
    fields += [
        Field("bytes", "bytes", attrgetter("bytes"), Kind.BYTES, 1),
        Field("zeros", "zeros", attrgetter("zeros"), Kind.QUANTITY),
    ]
    if unknown:
        fields.append(Field("unknown", "unknown", attrgetter("unknown"), Kind.QUANTITY, 1))
    total = TypeZeros(
        "total", None, *(sum(one) for one in zip(*(t[2:] for t in types), strict=True))
    )
    rows = [make_row(fields, row) for row in types]
    note = "Parameters and buffers; of several entries in the same memory only one."
    return make_table(
        "types", "By element type", fields, [*rows, make_row(fields, total, role=Role.TOTAL)], note
    )


def _entries(found: SparseWeights) -> list[dict[str, Any]]:
    names = {entry.name for entry in found.state.entries}
    buffers = buffer_names(names) if found.network is None else found.network.trace.buffer_names()
    return [_entry(found, entry, buffers) for entry in found.state.entries]


def _entry(found: SparseWeights, entry: Entry, buffers: set[str]) -> dict[str, Any]:
    zeros, stored = found.zeros[entry.name], found.stored[entry.name]
    return {
        "name": entry.name,
        "shape": list(entry.shape),
        "dtype": entry.dtype,
        "layout": entry.layout,
        "stored_as": stored.name,
        "packing": stored.packing,
        "values": stored.values,
        "elements": entry.numel,
        "zeros": zeros.total,
        "zero_rows": list(zeros.slices[0]) if zeros.slices else None,
        "is_buffer": entry.name in buffers,
        "memory": entry.memory,
    }


# Layers, and what a network costs without their channels


def _layers_table(layers: Sequence[LayerChannels], most: int | None) -> Table:
    ranked = sorted(layers, key=lambda layer: (-len(layer.removable), -len(layer.zero or ())))
    chosen = {id(layer) for layer in ranked[:most]}
    shown = [layer for layer in layers if id(layer) in chosen]
    rest = [layer for layer in layers if id(layer) not in chosen]
    is_kept = any(layer.kept for layer in layers)
    fields = [field for field in LAYERS if is_kept or field.key != "kept"]
    rows: list[LayerChannels | Row] = [*shown]
    if rest:
        rows.append(_sum_of(plural(len(rest), "other"), rest, Role.FOLDED))
    rows.append(_sum_of("total", layers, Role.TOTAL))
    if not is_kept:
        rows = [row._replace(cells=row.cells[:-1]) if isinstance(row, Row) else row for row in rows]
    note = "A channel is zero if all its weights are."
    return make_table("layers", "Output channels", fields, rows, note)


def _sum_of(name: str, layers: Sequence[LayerChannels], role: Role) -> Row:
    zero = sum(len(layer.zero or ()) for layer in layers)
    removable = sum(len(layer.removable) for layer in layers)
    return Row((name, sum(layer.channels for layer in layers), zero, removable, ""), role=role)


class _Cost(NamedTuple):
    """A metric before and after a removal."""

    metric: str
    before: int
    after: int


COSTS: Fields[_Cost] = (
    Field("metric", "metric", lambda cost: METRICS[cost.metric].title),
    Field("before", "now", attrgetter("before"), Kind.QUANTITY, 1),
    Field("after", "after", attrgetter("after"), Kind.QUANTITY),
    Field("delta", "Δ", lambda cost: cost.after - cost.before, Kind.DELTA),
    Field(
        "change",
        "Δ%",
        lambda cost: exact_ratio(cost.after - cost.before, cost.before),
        Kind.CHANGE,
        2,
    ),
)


def _costs_table(removal: Removal) -> Table:
    before, after = totals(removal.before), totals(removal.after)
    costs = [_Cost(metric, before[metric], after[metric]) for metric in COMPARED]
    rows = [make_row(COSTS, cost, unit=_unit(cost.metric)) for cost in costs]
    return make_table("costs", "Without the removable channels", COSTS, rows)


def _unit(metric: str) -> Unit:
    return Unit.BYTES if METRICS[metric].in_bytes else Unit.COUNT


def _removal_payload(found: SparseWeights, removal: Removal) -> dict[str, Any]:
    """The channels of each layer, every metric before and after, and what goes of which entry."""
    names = {
        weight.tensor: f"{module.path}.{weight.name}".removeprefix(".")
        for module in reversed(removal.before.modules)
        for weight in (*module.parameters, *module.buffers)
    }
    return {
        "network": found.network.name if found.network else None,
        "layers": make_entries(LAYERS, removal.layers),
        "before": totals(removal.before),
        "after": totals(removal.after),
        "entries": [
            {"name": names[tensor], "removed": [list(one) for one in places]}
            for tensor, places in removal.places.items()
        ],
    }


# Words


def _shown(found: SparseWeights, conditions: Conditions) -> dict[str, str]:
    if found.network is None:
        return shown_source(found.state)
    network = {"network": found.network.name}
    return {**shown_source(found.state), **network, **shown_conditions([conditions])}


def _raw(found: SparseWeights, conditions: Conditions, source: dict[str, Any]) -> dict[str, Any]:
    if found.network is None:
        return source
    return {**source, "network": found.network.name, **raw_conditions([conditions])}


def _notes(found: SparseWeights, zero_rows: int) -> Iterator[str]:
    if masks := pruning_masks([entry.name for entry in found.state.entries]):
        count = len(masks)
        have = "has a mask" if count == 1 else "have masks"
        yield (
            f"{plural(count, 'weight')} {have} of torch.nn.utils.prune: "
            "an element is zero if it or its mask is."
        )
    if any(how.packing for how in found.stored.values()):
        yield "Zeros among packed values are not counted, since a code of zero is another value."
    if found.removal is None and zero_rows:
        yield "`--model` names the network that loads it, to see which of them it can do without."
    if found.removal and found.removal.layers:
        yield (
            "Computes the same: in eval mode, for finite inputs and weights, but for the order in "
            "which sums are rounded."
        )


def _summary(found: SparseWeights, total: dict[str, int]) -> str:
    zeros = _zeros_in_words(found.name, total)
    if found.removal is None:
        rows = total["zero_rows"]
        are = "row of a weight is" if rows == 1 else "rows of weights are"
        return f"{zeros}; {rows:,} {are} all zero." if rows else f"{zeros}."
    return f"{zeros}; {_removal_in_words(found, found.removal, total)}."


def _zeros_in_words(name: str, total: dict[str, int]) -> str:
    known = total["params"] - total["unknown"]
    if not known:
        return f"{name} has no parameters whose zeros could be counted"
    whole = f"{format_count(known, exact=True)} parameters of {name}"
    if total["unknown"]:
        whole = f"{whole} that can be counted"
    if not total["zeros"]:
        return f"None of the {whole} is zero"
    zeros = format_count(total["zeros"], exact=True)
    share = format_percent(exact_ratio(total["zeros"], known))
    are = "is" if total["zeros"] == 1 else "are"
    return f"{zeros} of the {whole} {are} zero ({share})"


def _removal_in_words(found: SparseWeights, removal: Removal, total: dict[str, int]) -> str:
    network = found.network.name if found.network else ""
    removable, kept = total["removable"], sum(n for one in removal.layers for _, n in one.kept)
    stay = _kept_in_words(kept)
    if not removable:
        return f"no output channel of {network} can be removed{f', {stay}' if kept else ''}"
    saved = total["macs_saved"]
    share = format_percent(exact_ratio(saved, totals(removal.before)[MACS]))
    channels = plural(removable, "output channel")
    without = f"without {channels} {network} computes the same for {spoken_count(saved)} fewer MACs"
    return f"{without} ({share}){f'; {stay}' if kept else ''}"


def _kept_in_words(kept: int) -> str:
    if kept == 1:
        return "1 whose weights are all zero has to stay"
    return f"{kept:,} whose weights are all zero have to stay"


def _highlights(found: SparseWeights, total: dict[str, int]) -> tuple[Highlight, ...]:
    shown: list[tuple[str, str]] = [("params", "parameters"), ("zeros", "zeros")]
    if found.removal is None:
        shown.append(("zero_rows", "zero rows"))
    else:
        shown += [("removable", "removable channels"), ("macs_saved", "MACs saved")]
    return tuple(Highlight(title, total[metric]) for metric, title in shown)
