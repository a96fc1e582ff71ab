"""Parameters and buffers by module. What is shared counts once, for the module that comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ucseg_cli.facts.element_types import BITS, size_in_bytes
from ucseg_cli.facts.trace import Trace, Weight

BYTES = {dtype: bits // 8 for dtype, bits in BITS.items() if bits % 8 == 0}
"""Size of one element by dtype, of those that take whole bytes."""

PARAM_METRICS = ("params", "trainable", "frozen", "buffers", "bytes")


def own_params(trace: Trace, dtype: str | None = None) -> dict[str, Counter[str]]:
    """What each module holds itself, by path; with *dtype*, floating-point weights as if of that type.

    ``params`` = ``trainable`` + ``frozen`` are numbers of elements; ``buffers`` too (running statistics and the
    counters of batch norm); ``bytes`` is the size of both, which is what a checkpoint holds. Where nobody knows what is
    trainable, ``trainable`` and ``frozen`` are missing.
    """
    seen: set[int] = set()
    known = known_metrics(trace)
    own: dict[str, Counter[str]] = {}
    for module in trace.modules:
        figures = Counter(dict.fromkeys(known, 0))
        for weight in _first_seen(module.parameters, seen):
            tensor = trace.tensors[weight.tensor]
            figures["params"] += tensor.numel
            if "trainable" in known:
                figures["trainable" if weight.trainable else "frozen"] += tensor.numel
            figures["bytes"] += size_in_bytes(tensor.numel, as_type(tensor.dtype, dtype))
        for weight in _first_seen(module.buffers, seen):
            tensor = trace.tensors[weight.tensor]
            figures["buffers"] += tensor.numel
            figures["bytes"] += size_in_bytes(tensor.numel, as_type(tensor.dtype, dtype))
        own[module.path] = figures
    return own


def as_type(own: str, dtype: str | None) -> str:
    """The element type of a tensor where floating-point ones are of *dtype*; its own where that is None."""
    return dtype if dtype is not None and "float" in own else own


def known_metrics(trace: Trace) -> tuple[str, ...]:
    """Those of PARAM_METRICS that the trace tells; a state dict does not say what is trainable."""
    told = all(
        weight.trainable is not None for module in trace.modules for weight in module.parameters
    )
    return tuple(
        metric for metric in PARAM_METRICS if told or metric not in {"trainable", "frozen"}
    )


def total_params(trace: Trace) -> dict[str, int]:
    """The whole network's figures, each metric present that is known."""
    total: Counter[str] = sum(own_params(trace).values(), Counter())
    return {metric: total[metric] for metric in known_metrics(trace)}


def _first_seen(weights: Iterable[Weight], seen: set[int]) -> Iterable[Weight]:
    for weight in weights:
        if weight.tensor not in seen:
            seen.add(weight.tensor)
            yield weight
