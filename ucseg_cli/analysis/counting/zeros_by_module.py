"""Zeros in the weights of each module, of which those that are shared count once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.stored_types import StoredAs
from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.state_dict import Entry, StateDict, Zeros
from ucseg_cli.facts.trace import Trace

ZERO_METRICS = ("params", "zeros", "unknown", "zero_rows")


class TypeZeros(NamedTuple):
    """Entries that are stored alike; of several in the same memory only one.

    Args:
        name: of the element type, or of the format that packs them. packing: how, in words.
        entries: how many. elements: that are stored. values: numbers that they stand for.
        bytes: of the elements. zeros: elements that are zero. unknown: of which that is not known.
    """

    name: str
    packing: str | None
    entries: int
    elements: int
    values: int
    bytes: int
    zeros: int
    unknown: int


def own_zeros(trace: Trace, zeros: Mapping[str, Zeros]) -> dict[str, Counter[str]]:
    """Every module's own figures by path, of parameters alone.

    ``zeros`` of ``params``, and ``unknown`` for those of which it is not known; ``zero_rows`` are
    the places along the first axis of a weight, if it has more of them, at which all is zero.
    """
    seen: set[int] = set()
    own: dict[str, Counter[str]] = {}
    for module in trace.modules:
        figures = own[module.path] = Counter(dict.fromkeys(ZERO_METRICS, 0))
        inside = f"{module.path}." if module.path else ""
        for weight in module.parameters:
            if weight.tensor in seen:
                continue
            seen.add(weight.tensor)
            elements = trace.tensors[weight.tensor].numel
            found = zeros.get(f"{inside}{weight.name}", Zeros(None))
            figures["params"] += elements
            figures["zeros"] += found.total or 0
            figures["unknown"] += elements if found.total is None else 0
            figures["zero_rows"] += len(found.slices[0]) if found.slices else 0
    return own


def zeros_by_type(
    state: StateDict, zeros: Mapping[str, Zeros], stored: Mapping[str, StoredAs]
) -> list[TypeZeros]:
    """Every way in which entries are stored, most bytes first."""
    groups: dict[tuple[str, str | None], list[Entry]] = {}
    for entry in _once_each(state):
        how = stored[entry.name]
        groups.setdefault((how.name, how.packing), []).append(entry)
    rows = [
        TypeZeros(
            *how,
            entries=len(entries),
            elements=sum(entry.numel for entry in entries),
            values=sum(stored[entry.name].values for entry in entries),
            bytes=sum(size_in_bytes(entry.numel, entry.dtype) for entry in entries),
            zeros=sum(zeros[entry.name].total or 0 for entry in entries),
            unknown=sum(entry.numel for entry in entries if zeros[entry.name].total is None),
        )
        for how, entries in groups.items()
    ]
    return sorted(rows, key=lambda row: -row.bytes)


def _once_each(state: StateDict) -> Iterator[Entry]:
    seen = set()
    for entry in state.entries:
        if entry.memory is None or entry.memory not in seen:
            yield entry
        seen.add(entry.memory)
