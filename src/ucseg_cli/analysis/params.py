"""Parameters and buffers by module. What is shared counts once, for the module that comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ucseg_cli.trace import Trace, Weight

BYTES = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int16": 2,
    "uint16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
"""Size of one element by dtype."""

PARAM_METRICS = ("params", "trainable", "frozen", "buffers", "bytes")


def own_params(trace: Trace, dtype: str | None = None) -> dict[str, Counter[str]]:
    """What each module holds itself, by path; with *dtype*, floating-point weights as if of that type.

    ``params`` = ``trainable`` + ``frozen`` are numbers of elements; ``buffers`` too (running statistics and the
    counters of batch norm); ``bytes`` is the size of both, which is what a checkpoint holds.
    """
    seen: set[int] = set()
    own: dict[str, Counter[str]] = {}
    for module in trace.modules:
        figures = Counter(dict.fromkeys(PARAM_METRICS, 0))
        for weight in _first_seen(module.parameters, seen):
            tensor = trace.tensors[weight.tensor]
            figures["params"] += tensor.numel
            figures["trainable" if weight.trainable else "frozen"] += tensor.numel
            figures["bytes"] += tensor.numel * BYTES[as_type(tensor.dtype, dtype)]
        for weight in _first_seen(module.buffers, seen):
            tensor = trace.tensors[weight.tensor]
            figures["buffers"] += tensor.numel
            figures["bytes"] += tensor.numel * BYTES[as_type(tensor.dtype, dtype)]
        own[module.path] = figures
    return own


def as_type(own: str, dtype: str | None) -> str:
    """The element type of a tensor where floating-point ones are of *dtype*; its own where that is None."""
    return dtype if dtype is not None and "float" in own else own


def total_params(trace: Trace) -> dict[str, int]:
    """The whole network's figures, each metric present."""
    total: Counter[str] = sum(own_params(trace).values(), Counter())
    return {metric: total[metric] for metric in PARAM_METRICS}


def _first_seen(weights: Iterable[Weight], seen: set[int]) -> Iterable[Weight]:
    for weight in weights:
        if weight.tensor not in seen:
            seen.add(weight.tensor)
            yield weight
