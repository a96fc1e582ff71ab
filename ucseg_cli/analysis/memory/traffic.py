"""Operations for each byte that is moved: where memory, and not arithmetic, decides the time."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import Convention, price_label
from ucseg_cli.analysis.counting.metrics import MOVED_BYTES
from ucseg_cli.analysis.counting.module_tree import Figures
from ucseg_cli.analysis.counting.operations import TAKEN_APART, charges, own_flops, whole_call
from ucseg_cli.analysis.memory.moved_bytes import moved, own_moved_bytes
from ucseg_cli.facts.trace import Trace


class OperatorTraffic(NamedTuple):
    """The calls of an operator, as the model calls it, and the bytes that they move.

    *operations* is None if no call of it has a price.
    """

    label: str
    calls: int
    operations: int | None
    bytes: int


def own_intensity(trace: Trace, dtype: str | None) -> dict[str, Figures]:
    """Operations by convention and bytes of each module's own forward, by path."""
    counted = own_flops(trace)
    moved_by = own_moved_bytes(trace, dtype)
    return {path: {**counted[path], MOVED_BYTES: size} for path, size in moved_by.items()}


def traffic_by_operator(
    trace: Trace, convention: Convention, dtype: str | None
) -> list[OperatorTraffic]:
    """Each operator that moves bytes or has a price, most bytes first."""
    calls: dict[str, set[int]] = {}
    sizes: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    for kernel in moved(trace, dtype):
        if kernel.bytes:
            call = whole_call(trace, kernel.op)
            calls.setdefault(_label(trace, call), set()).add(call)
            sizes[_label(trace, call)] += kernel.bytes
    for charge in charges(trace, convention):
        call = whole_call(trace, charge.op)
        calls.setdefault(_label(trace, call), set()).add(call)
        operations[_label(trace, call)] += charge.cost
    found = (
        OperatorTraffic(label, len(own), operations.get(label), sizes[label])
        for label, own in calls.items()
    )
    return sorted(found, key=lambda one: (-one.bytes, one.label))


def _label(trace: Trace, call: int) -> str:
    """The name under which calls are summed: in place or not, and convolutions of any rank."""
    name = trace.ops[call].name
    return price_label("convolution" if name in TAKEN_APART else name.strip("_"))
