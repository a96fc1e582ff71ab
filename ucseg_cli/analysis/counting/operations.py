"""Operations of a trace under a convention: in total, by module, by operator, and what the convention leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention, Level, Price
from ucseg_cli.facts.trace import Op, Trace

TAKEN_APART = {
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
}
"""Composites that a torch.jit trace does not show, only the convolution inside."""


class Charge(NamedTuple):
    """What one operator call costs."""

    op: int
    module: str
    label: str
    cost: int


class Uncounted(NamedTuple):
    """An operator that computes something and has no price."""

    op: str
    calls: int


def charges(trace: Trace, convention: Convention) -> Iterator[Charge]:
    """Every priced call, in order."""
    for index, op in enumerate(trace.ops):
        price = _price(trace, convention, op)
        if price is not None:
            yield Charge(index, trace.modules[op.module].path, price.label, price.cost(trace, op))


def own_flops(trace: Trace) -> dict[str, Counter[str]]:
    """What each module's own forward costs under every convention, by path; its children's calls are theirs."""
    own: dict[str, Counter[str]] = {
        module.path: Counter(dict.fromkeys(CONVENTIONS, 0)) for module in trace.modules
    }
    for name, convention in CONVENTIONS.items():
        for charge in charges(trace, convention):
            own[charge.module][name] += charge.cost
    return own


def total_flops(trace: Trace) -> dict[str, int]:
    """The whole network's figure under every convention."""
    return {
        name: sum(charge.cost for charge in charges(trace, convention))
        for name, convention in CONVENTIONS.items()
    }


def flops_by_operator(trace: Trace, convention: Convention) -> dict[str, tuple[int, int]]:
    """Calls and their sum by operator label, heaviest first."""
    calls: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for charge in charges(trace, convention):
        calls[charge.label] += 1
        counts[charge.label] += charge.cost
    return {label: (calls[label], count) for label, count in counts.most_common()}


def uncounted(trace: Trace, convention: Convention) -> list[Uncounted]:
    """What the convention does not price, most calls first, named as the model called it, in place or not.

    Views and new empty tensors are not listed: they compute nothing.
    """
    missed = {
        index if op.parent is None else op.parent
        for index, op in trace.kernels()
        if not _is_covered(trace, convention, op)
        and any(t is not None for t in op.inputs)
        and not trace.is_view(op)
    }
    calls = Counter(trace.ops[index].name.removesuffix("_") for index in missed)
    return [
        Uncounted(op, count)
        for op, count in sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    ]


def _is_covered(trace: Trace, convention: Convention, kernel: Op) -> bool:
    if _price(trace, convention, kernel) is not None:
        return True
    return (
        kernel.parent is not None
        and _price(trace, convention, trace.ops[kernel.parent]) is not None
    )


def _price(trace: Trace, convention: Convention, op: Op) -> Price | None:
    price = convention.prices.get(op.name)
    return price if price is not None and _is_seen(trace, convention.level, op) else None


def _is_seen(trace: Trace, level: Level, op: Op) -> bool:
    match level:
        case Level.KERNELS:
            return not op.composite
        case Level.CALLS:
            return op.parent is None or trace.ops[op.parent].name in TAKEN_APART
