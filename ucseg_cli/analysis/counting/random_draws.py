"""Random numbers that a pass drew and then read, so that another run may take another way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ucseg_cli.analysis.geometry.operator_kinds import plain_name
from ucseg_cli.facts.trace import Op, Trace

DRAWS = frozenset(
    {
        *("bernoulli", "binomial", "cauchy", "exponential", "geometric", "log_normal", "normal"),
        *("multinomial", "native_dropout", "poisson", "rand", "rand_like", "randint", "uniform"),
        *("randint_like", "randn", "randn_like", "random", "randperm"),
    }
)
"""ATen's operators that draw, without the final underscore."""
READS = frozenset(
    {
        *("_local_scalar_dense", "resolve_neg"),  # ``item``, ``if tensor``; ``tolist``, ``numpy``
        *("masked_select", "nonzero", "unique_dim", "unique_consecutive", "_unique2", "bincount"),
        *("equal", "repeat_interleave", "torchvision::nms"),
    }
)
"""They give values to Python, or tensors whose shape depends on values."""
MASKS = {"bool", "uint8"}
"""Types of an index whose true places count."""


def draws_that_decide(trace: Trace) -> dict[str, int]:
    """Operators that drew numbers on which a shape or a branch may depend, with their calls.

    Noise that is only added or multiplied, as by dropout, decides nothing.
    """
    if not any(plain_name(op) in DRAWS for op in trace.ops):
        return {}
    made_of: defaultdict[int, set[int]] = defaultdict(set)  # by storage: the draws, by index
    decide: set[int] = set()
    for index, op in enumerate(trace.ops):
        drawn = _union(made_of[storage] for storage in _storages(trace, op.inputs))
        if plain_name(op) in DRAWS and not op.composite:
            drawn |= {index}
        if _reads_values(trace, op):
            decide |= drawn
        for storage in _storages(trace, op.outputs) if drawn else ():
            made_of[storage] |= drawn
    names = [plain_name(trace.ops[index]) for index in sorted(decide)]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _reads_values(trace: Trace, op: Op) -> bool:
    if op.name == "index":
        indices = (trace.tensors[tensor] for tensor in op.inputs[1:] if tensor is not None)
        return any(index.dtype in MASKS for index in indices)
    return op.name in READS


def _union(draws: Iterable[set[int]]) -> set[int]:
    return set().union(*draws)


def _storages(trace: Trace, tensors: Iterable[int | None]) -> set[int]:
    return {trace.tensors[tensor].storage for tensor in tensors if tensor is not None}
