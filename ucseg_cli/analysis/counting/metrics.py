"""A network in a handful of integers: every metric that can be compared or held to a budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.module_tree import Figures
from ucseg_cli.analysis.counting.operations import own_flops
from ucseg_cli.analysis.counting.parameters import own_params, total_params
from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.facts.trace import Trace


class Metric(NamedTuple):
    """A figure of a whole network.

    Args:
        name: as in ``--max NAME=650k``.
        title: a heading.
        meaning: what is counted, one sentence.
        in_bytes: whether it counts bytes.
        depends_on_size: whether it changes with the input.
        additive: whether a network has the sum of what its modules have; a peak is not a sum.
    """

    name: str
    title: str
    meaning: str
    in_bytes: bool = False
    depends_on_size: bool = False
    additive: bool = True


METRICS = {
    metric.name: metric
    for metric in (
        Metric("params", "parameters", "Elements of all parameters; what is shared counts once."),
        Metric("trainable", "trainable", "Elements of parameters that require a gradient."),
        Metric("frozen", "frozen", "Elements of parameters that do not require a gradient."),
        Metric(
            "buffers",
            "buffers",
            "Elements of buffers: running statistics and the counters of batch norm.",
        ),
        Metric(
            "bytes",
            "weights and buffers",
            "Bytes of parameters and buffers: the tensor data of a checkpoint.",
            in_bytes=True,
        ),
        *(
            Metric(convention.name, convention.title, convention.meaning, depends_on_size=True)
            for convention in CONVENTIONS.values()
        ),
        Metric(
            "peak-memory",
            "peak activations",
            "Bytes of the storages alive at once in a forward pass, with the input, without weights.",
            in_bytes=True,
            depends_on_size=True,
            additive=False,
        ),
    )
}


@once_per_trace
def own_figures(trace: Trace) -> dict[str, Figures]:
    """What each module itself holds and runs, beside its children, by path: under every metric.

    Of a model that could not run there are only the metrics that need no run.
    """
    if trace.failure is not None:
        return {**own_params(trace)}
    flops = own_flops(trace)
    return {path: {**own, **flops[path]} for path, own in own_params(trace).items()}


@once_per_trace
def totals(trace: Trace) -> dict[str, int]:
    """Every metric of METRICS for the whole network, by name; of one that could not run those that need no run."""
    if trace.failure is not None:
        return total_params(trace)
    return {**add_up(own_figures(trace).values()), "peak-memory": peak_memory(trace).bytes}


def add_up(figures: Iterable[Figures]) -> dict[str, int]:
    """The sum of figures, each additive metric of METRICS present."""
    figures = list(figures)
    return {
        name: sum(each.get(name, 0) for each in figures)
        for name, metric in METRICS.items()
        if metric.additive
    }
