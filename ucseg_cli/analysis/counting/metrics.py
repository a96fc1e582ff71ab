"""A network in a handful of integers: every metric that can be compared or have a budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import ACTIVATIONS, CONVENTIONS, PRICED
from ucseg_cli.analysis.counting.module_tree import Figures
from ucseg_cli.analysis.counting.operations import own_flops
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, own_params, total_params
from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.analysis.memory.moved_bytes import own_moved_bytes
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.facts.conditions import Conditions, parse_conditions
from ucseg_cli.facts.trace import Trace


class Metric(NamedTuple):
    """A figure of a whole network.

    Args:
        name: as in ``--max NAME=650k``.
        title: a heading.
        meaning: what is counted, one sentence.
        in_bytes: whether it counts bytes.
        depends_on_size: whether it changes with the input.
        additive: whether a network has the sum of its modules' figures; a peak is not a sum.
        of_training: whether it is of a training step, not of a forward pass.
    """

    name: str
    title: str
    meaning: str
    in_bytes: bool = False
    depends_on_size: bool = False
    additive: bool = True
    of_training: bool = False

    @property
    def is_plural(self) -> bool:
        """Whether its title takes ``differ`` rather than ``differs``."""
        return not self.title.endswith("memory")


MOVED_BYTES = "moved-bytes"

_METRICS = (
    Metric("params", "parameters", "Elements of all parameters; what is shared counts once."),
    Metric("trainable", "trainable", "Elements of parameters that require a gradient."),
    Metric("frozen", "frozen", "Elements of parameters that do not require a gradient."),
    Metric(
        name="buffers",
        title="buffers",
        meaning="Elements of buffers: running statistics and the counters of batch norm.",
    ),
    Metric(
        name="bytes",
        title="weights and buffers",
        meaning="Bytes of parameters and buffers: the tensor data of a checkpoint.",
        in_bytes=True,
    ),
    *(
        Metric(convention.name, convention.title, convention.meaning, depends_on_size=True)
        for convention in PRICED.values()
    ),
    Metric(
        name=MOVED_BYTES,
        title="bytes moved",
        meaning="Bytes of every kernel's inputs, weights and outputs, each read or written once: "
        "a lower bound of the traffic with memory where no kernels are fused.",
        in_bytes=True,
        depends_on_size=True,
    ),
    Metric(
        name="peak-memory",
        title="peak memory",
        meaning="Bytes of the storages alive at once in a forward pass, "
        "with the input, without weights.",
        in_bytes=True,
        depends_on_size=True,
        additive=False,
    ),
)
METRICS = {metric.name: metric for metric in _METRICS}
"""Those of a forward pass, which every trace of one has."""

TRAIN_MEMORY = Metric(
    name="train-memory",
    title="training memory",
    meaning="Bytes of all storages alive at once in a training step: weights, gradients, "
    "the optimizer's state, activations, input.",
    in_bytes=True,
    depends_on_size=True,
    additive=False,
    of_training=True,
)
EVERY_METRIC = {**METRICS, TRAIN_MEMORY.name: TRAIN_MEMORY}
"""With that of a training step, which has a trace of its own."""
_OF_A_STEP = (*PARAM_METRICS, "macs", "torch", MOVED_BYTES, TRAIN_MEMORY.name)
STEP_METRICS = {name: EVERY_METRIC[name] for name in _OF_A_STEP}
"""Those of a training step, of which only the kernels are seen."""

_SYNONYMS = {
    "params": ("parameters", "param"),
    "trainable": ("trainable-parameters", "trainable-params"),
    "frozen": ("frozen-parameters", "frozen-params"),
    "bytes": ("size", "weights"),
    "fvcore": ("fvcore-flops",),
    "macs": ("mac", "multiply-accumulates"),
    "torch": ("torch-flops",),
    ACTIVATIONS.name: ("macts", "activation-count"),
    MOVED_BYTES: ("traffic", "memory-traffic"),
    "peak-memory": ("peak-activations", "peak", "memory"),
    "train-memory": ("training-memory",),
}
SYNONYMS = {synonym: name for name, synonyms in _SYNONYMS.items() for synonym in synonyms}
"""Other names that users type, each for one metric alone."""
OPERATIONS = frozenset({"flop", "flops", "ops", "operations"})
"""Names that every convention could answer to."""


def find_metric(name: str, where: Where, known: Mapping[str, Metric] = METRICS) -> Metric:
    """The metric of that name or synonym, in any case, with ``_`` or ``-`` between words.

    Raises UsageError for a name that every convention could answer to, and UnknownNameError.
    """
    spelled = name.strip().casefold().replace("_", "-")
    if spelled in OPERATIONS:
        *others, last = CONVENTIONS
        raise UsageError(
            f"'{name}' could be any of several metrics",
            where=where,
            notes=[f"{table.name}: {table.unit}" for table in CONVENTIONS.values()],
            help=f"which? {', '.join(others)} or {last}",
        )
    found = known.get(SYNONYMS.get(spelled, spelled))
    if found is None:
        raise UnknownNameError("metric", name, known, where=where)
    return found


def find_metric_at(
    text: str, where: Where, *, beneath: Path | None = None
) -> tuple[Metric, Conditions | None]:
    """``fvcore@512``, ``macs@1x16:int64`` or ``params``: a metric, and the input if one is given.

    Raises UsageError as *find_metric* does, and for an input that cannot be.
    """
    name, at, inputs = text.partition("@")
    metric = find_metric(name, where)
    return metric, parse_conditions(inputs, where=where, beneath=beneath) if at else None


@once_per_trace
def own_figures(trace: Trace) -> dict[str, Figures]:
    """Every metric of what each module itself holds and runs, without its children, by path.

    For a model that could not run there are only the metrics that need no run.
    """
    if trace.failure is not None:
        return {**own_params(trace)}
    priced, moved = own_flops(trace, PRICED), own_moved_bytes(trace)
    return {
        path: {**own, **priced[path], MOVED_BYTES: moved[path]}
        for path, own in own_params(trace).items()
    }


def own_figures_as(trace: Trace, metric: str, dtype: str | None) -> Mapping[str, Figures]:
    """The same of one metric; with *dtype*, as if floating-point tensors were of that type."""
    if dtype is None:
        return own_figures(trace)
    if metric in PARAM_METRICS:
        return own_params(trace, dtype)
    return {path: {metric: size} for path, size in own_moved_bytes(trace, dtype).items()}


def metrics_of(*traces: Trace) -> Mapping[str, Metric]:
    """The metrics of forward passes; of training steps, if one of the traces is of one."""
    return STEP_METRICS if any(trace.trained for trace in traces) else METRICS


@once_per_trace
def totals(trace: Trace) -> dict[str, int]:
    """Every metric of the whole network by name; only those that need no run if it cannot run."""
    if trace.failure is not None:
        return total_params(trace)
    summed = add_up(own_figures(trace).values())
    if trace.trained is None:
        return {**summed, "peak-memory": peak_memory(trace).bytes}
    from ucseg_cli.analysis.memory.training_memory import training_peak  # few answers need it

    counted = {metric: count for metric, count in summed.items() if metric in STEP_METRICS}
    return {**counted, TRAIN_MEMORY.name: training_peak(trace).bytes}


def add_up(figures: Iterable[Figures]) -> dict[str, int]:
    """The sum of figures, each additive metric of METRICS present."""
    total = {metric.name: 0 for metric in _METRICS if metric.additive}
    for row in figures:
        for name, count in row.items():
            if count:  # most are 0, and this is part of every answer
                total[name] += count
    return total
