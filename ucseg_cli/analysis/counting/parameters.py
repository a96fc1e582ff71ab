"""Parameters and buffers by module. Shared ones count once, for the module that comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.trace import Module, Trace

PARAM_METRICS = ("params", "trainable", "frozen", "buffers", "bytes")


def own_params(trace: Trace, dtype: str | None = None) -> dict[str, Counter[str]]:
    """Every module's own figures by path; with *dtype*, as if floating-point weights were of it.

    ``params`` = ``trainable`` + ``frozen`` are numbers of elements; ``buffers`` too (running
    statistics and the counters of batch norm); ``bytes`` is the size of both, as in a checkpoint.
    Where it is unknown which are trainable, ``trainable`` and ``frozen`` are missing.
    """
    seen: set[int] = set()
    known = known_metrics(trace)
    own: dict[str, Counter[str]] = {}
    for module in trace.modules:
        figures = own[module.path] = Counter(dict.fromkeys(known, 0))
        for index, kinds in _owned(module):
            if index in seen:
                continue
            seen.add(index)
            tensor = trace.tensors[index]
            elements = tensor.numel
            figures["bytes"] += size_in_bytes(elements, as_type(tensor.dtype, dtype))
            for kind in kinds:
                if kind in known:
                    figures[kind] += elements
    return own


_KINDS = {True: ("params", "trainable"), False: ("params", "frozen"), None: ("params", "frozen")}


def _owned(module: Module) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The module's parameters and buffers, each with the metrics that count its elements."""
    for weight in module.parameters:
        yield weight.tensor, _KINDS[weight.trainable]
    for buffer in module.buffers:
        yield buffer.tensor, ("buffers",)


def as_type(own: str, dtype: str | None) -> str:
    """The type of a tensor where floating-point ones are of *dtype*; its own where that is None."""
    return dtype if dtype is not None and "float" in own else own


def known_metrics(trace: Trace) -> tuple[str, ...]:
    """Those of PARAM_METRICS that are known; a state dict does not say which are trainable."""
    weights = [weight for module in trace.modules for weight in module.parameters]
    if all(weight.trainable is not None for weight in weights):
        return PARAM_METRICS
    return ("params", "buffers", "bytes")


def total_params(trace: Trace, dtype: str | None = None) -> dict[str, int]:
    """The whole network's figures, each metric present that is known."""
    own = own_params(trace, dtype).values()
    return {metric: sum(figures[metric] for figures in own) for metric in known_metrics(trace)}
