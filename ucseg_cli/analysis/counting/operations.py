"""Operations under a convention: in total, by module, by operator, and those without a price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import starmap
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import (
    CELLS,
    CONVENTIONS,
    Convention,
    Level,
    price_label,
    tables_of,
)
from ucseg_cli.analysis.geometry.operator_kinds import COMPUTES_NOTHING, plain_name
from ucseg_cli.facts.trace import Op, Price, Trace

TAKEN_APART = frozenset(f"conv{kind}{rank}d" for kind in ("", "_transpose") for rank in (1, 2, 3))
"""Composites that a torch.jit trace does not show, only the convolution inside."""
PRICED_BY_PARTS: Mapping[Level, frozenset[str]] = {
    Level.CALLS: TAKEN_APART,
    Level.KERNELS: TAKEN_APART
    | {"linear", "matmul", "einsum", "scaled_dot_product_attention", *CELLS}
    | {"lstm", "gru", "rnn_tanh", "rnn_relu"},
}
"""Composites that conventions of a level price by what they are made of."""


FORWARD, BACKWARD = "forward", "backward"
"""Parts of a training step, of which the second also recomputes what is checkpointed."""


class Charge(NamedTuple):
    """The cost of one operator call."""

    op: int
    module: str
    label: str
    cost: int


class Uncounted(NamedTuple):
    """An operator that computes something and has no price."""

    op: str
    calls: int


def charges(trace: Trace, convention: Convention) -> Iterator[Charge]:
    """Every call that the convention prices, in order; then those that only the project prices."""
    prices = convention.prices
    for index, op in enumerate(trace.ops):
        if op.name in prices and _is_priced(trace, convention, op):
            cost = prices[op.name](trace, op)
            yield Charge(index, trace.modules[op.module].path, price_label(op.name), cost)
    if trace.prices:
        from ucseg_cli.analysis.counting.price_formula import cost_of_call  # few projects have any

        for index, price in _by_the_project(trace, convention):
            op = trace.ops[index]
            cost = cost_of_call(trace, op, price)
            yield Charge(index, trace.modules[op.module].path, price.op, cost)


def own_flops(
    trace: Trace, tables: Mapping[str, Convention] = CONVENTIONS
) -> dict[str, Counter[str]]:
    """The cost of each module's own forward under every table, by path, without children."""
    known = tables_of(trace, tables)
    own = {module.path: Counter(dict.fromkeys(known, 0)) for module in trace.modules}
    for name, convention in known.items():
        for charge in charges(trace, convention):
            own[charge.module][name] += charge.cost
    return own


def own_flops_by_phase(trace: Trace, convention: Convention) -> dict[str, Counter[str]]:
    """The cost of each module in FORWARD and BACKWARD of a training step, by path, own alone."""
    begin = trace.trained.backward if trace.trained else len(trace.ops)
    own: dict[str, Counter[str]] = {module.path: Counter() for module in trace.modules}
    for charge in charges(trace, convention):
        own[charge.module][BACKWARD if charge.op >= begin else FORWARD] += charge.cost
    return own


def flops_by_phase(trace: Trace, convention: Convention) -> dict[str, int]:
    """The whole network's in FORWARD and BACKWARD of a training step; none of a forward pass."""
    if trace.trained is None:
        return {}
    own = own_flops_by_phase(trace, convention).values()
    return {phase: sum(figures[phase] for figures in own) for phase in (FORWARD, BACKWARD)}


def total_flops(trace: Trace, tables: Mapping[str, Convention] = CONVENTIONS) -> dict[str, int]:
    """The whole network's figure under every table that can count it."""
    own = own_flops(trace, tables).values()
    return {name: sum(figures[name] for figures in own) for name in tables_of(trace, tables)}


def flops_by_operator(trace: Trace, convention: Convention) -> dict[str, tuple[int, int]]:
    """Calls and their sum by operator label, heaviest first."""
    calls: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for charge in charges(trace, convention):
        calls[charge.label] += 1
        counts[charge.label] += charge.cost
    return {label: (calls[label], count) for label, count in counts.most_common()}


def uncounted(trace: Trace, convention: Convention) -> list[Uncounted]:
    """The operators without a price, most calls first, as the model called them, in place or not.

    Of a call that is priced in part, those parts that are not. Operators that only move or make
    elements are not listed: they compute nothing.
    """
    own = {index for index, _ in _by_the_project(trace, convention)}
    left = _without_price(trace, convention) - own
    calls = Counter(trace.ops[index].name.strip("_") for index in left)
    by_calls = sorted(calls.items(), key=lambda row: (-row[1], row[0]))
    return list(starmap(Uncounted, by_calls))


def used_prices(trace: Trace) -> dict[Price, int]:
    """The prices of the project that count, each with the calls that have it."""
    found = (
        price
        for convention in CONVENTIONS.values()
        for _, price in _by_the_project(trace, convention)
    )
    return dict(Counter(found))


def _by_the_project(trace: Trace, convention: Convention) -> Iterator[tuple[int, Price]]:
    """The calls, by index, that have a price of the project under a convention that has none."""
    prices = {price.op: price for price in trace.prices if price.convention == convention.name}
    if not prices:
        return
    for index in sorted(_without_price(trace, convention)):
        price = prices.get(trace.ops[index].name.strip("_"))
        if price is not None:
            yield index, price


def _without_price(trace: Trace, convention: Convention) -> set[int]:
    """The calls that a convention leaves out, by index; of one priced in part, the other parts."""
    missed: set[int] = set()
    ops = trace.ops
    priced = {
        whole_call(trace, index)
        for index, op in enumerate(ops)
        if _is_priced(trace, convention, op)
    }
    for index, op in trace.kernels():
        call = whole_call(trace, index)
        is_priced = any(_is_priced(trace, convention, part) for part in (op, ops[call]))
        if _computes(trace, op) and not is_priced:
            missed.add(index if call in priced else call)
    return missed


def _computes(trace: Trace, op: Op) -> bool:
    """Whether it makes new elements out of others, rather than move, copy or fill some."""
    reads = any(tensor is not None for tensor in op.inputs)
    return reads and not trace.is_view(op) and plain_name(op) not in COMPUTES_NOTHING


def whole_call(trace: Trace, index: int) -> int:
    """The operator that the model called, of which the one at *index* is a part or the whole."""
    parent = trace.ops[index].parent
    return index if parent is None else parent


def _is_priced(trace: Trace, convention: Convention, op: Op) -> bool:
    """Whether it has a price and stands at the level that the convention looks at."""
    if op.name not in convention.prices:
        return False
    if convention.level is Level.KERNELS:
        return not op.composite
    if op.parent is None:
        return True
    call = trace.ops[op.parent]
    # fvcore does not see a convolution whose padding is a word
    return call.name in TAKEN_APART and not isinstance(call.attributes.get("padding"), str)
