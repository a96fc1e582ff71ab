"""One step down in the channels of each layer, with all that depends on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.operations import TAKEN_APART
from ucseg_cli.analysis.narrowing.axis_steps import quarter_fewer
from ucseg_cli.analysis.narrowing.channel_axes import SHARED_MEMORY, Axes, ChannelAxes
from ucseg_cli.analysis.narrowing.channel_layouts import Layout
from ucseg_cli.analysis.narrowing.channel_rules import channel_axes
from ucseg_cli.analysis.narrowing.narrower_trace import Narrower
from ucseg_cli.facts.trace import Op, Trace

ONE_CHANNEL = "it has a single channel in each part that can only change as a whole"
LAYERS = TAKEN_APART | {"convolution", "linear"}


class Layer(NamedTuple):
    """A conv or linear layer with its output channels before and after a step."""

    path: str
    before: int
    after: int


class LayerStep(NamedTuple):
    """A quarter fewer channels in layers that only change together.

    *dependent* are the paths of all other modules whose weights become narrower: norms, depthwise
    convs, and the layers that read these channels.
    """

    layers: tuple[Layer, ...]
    dependent: tuple[str, ...] = ()


class NotNarrowable(NamedTuple):
    """A layer whose output channels cannot become fewer, and why."""

    path: str
    channels: int
    reason: str


class Narrowed(NamedTuple):
    """Each step with the trace after it, and the layers that have none."""

    steps: list[tuple[LayerStep, Trace]]
    fixed: list[NotNarrowable]


class Producer(NamedTuple):
    """A conv or linear layer and its output channels.

    Args:
        path: of the module that owns its weight. channels: how many. layout: of these.
        weight: a tensor, and its *axis* of output channels; None if they are on two axes of it.
        is_depthwise: whether each channel makes its own outputs, so that it makes none anew.
        op: its first call.
    """

    path: str
    channels: int
    layout: Layout
    weight: int
    axis: int | None
    is_depthwise: bool
    op: int


def narrow_each_layer(trace: Trace) -> Narrowed:
    """A quarter fewer output channels in each layer, in the order they ran.

    The quarter is of what can change alone: of a conv in groups the channels of one group.
    """
    axes = channel_axes(trace)
    narrower = Narrower(axes)
    producers = [layer for layer in find_producers(axes, narrower.axes) if not layer.is_depthwise]
    steps: list[tuple[LayerStep, Trace]] = []
    reasons = {variable: _reason(axes, variable) for variable in _variables(producers)}
    for variable in [variable for variable, reason in reasons.items() if reason is None]:
        length = axes.layouts.lengths[variable]
        fewer = quarter_fewer(length)
        after = narrower.trace({variable: fewer})
        if after is None:
            reasons[variable] = SHARED_MEMORY
        else:
            step = _step(trace, after, producers, variable, length - fewer)
            steps.append((step, after))
    return Narrowed(steps, list(_not_narrowable(producers, reasons)))


def _variables(producers: list[Producer]) -> dict[int, None]:
    return {term.variable: None for producer in producers for term in producer.layout}


def _reason(axes: ChannelAxes, variable: int) -> str | None:
    fixed = axes.layouts.reason(variable)
    if fixed is not None:
        return fixed
    return ONE_CHANNEL if axes.layouts.lengths[variable] == 1 else None


def _not_narrowable(
    producers: list[Producer], reasons: Mapping[int, str | None]
) -> Iterator[NotNarrowable]:
    """The layers none of whose channels can become fewer."""
    for producer in producers:
        found = [reasons[term.variable] for term in producer.layout]
        if (reason := next(iter(found), None)) and all(found):
            yield NotNarrowable(producer.path, producer.channels, reason)


def _step(
    trace: Trace, after: Trace, producers: list[Producer], variable: int, fewer: int
) -> LayerStep:
    layers = tuple(
        Layer(producer.path, producer.channels, producer.channels - fewer * times)
        for producer in producers
        if (times := sum(term.times for term in producer.layout if term.variable == variable))
    )
    own = {layer.path for layer in layers}
    dependent = (
        module.path
        for module in trace.modules
        if module.path not in own
        and any(
            trace.tensors[weight.tensor] != after.tensors[weight.tensor]
            for weight in (*module.parameters, *module.buffers)
        )
    )
    return LayerStep(layers, tuple(dependent))


def find_producers(axes: ChannelAxes, resolved: Mapping[int, Axes]) -> Iterator[Producer]:
    """Each layer once, even if it runs several times."""
    trace = axes.trace
    owners = {
        weight.tensor: module.path for module in trace.modules for weight in module.parameters
    }
    seen = set()
    for index, op in enumerate(trace.ops):
        weight = op.inputs[1] if _is_layer(trace, op) else None
        if weight is None or weight in seen:
            continue
        seen.add(weight)
        out = op.outputs[0]
        rank = len(trace.tensors[out].shape)
        spatial = 0 if op.name == "linear" else len(trace.tensors[weight].shape) - 2
        place = rank - 1 - spatial
        path = owners.get(weight, trace.modules[op.module].path)
        yield Producer(
            path,
            trace.tensors[out].shape[place],
            resolved[out][place],
            weight,
            _axis_of_outputs(trace, op, out),
            _is_depthwise(trace, op),
            index,
        )


def _axis_of_outputs(trace: Trace, op: Op, out: int) -> int | None:
    """The axis of a layer's weight that has its output channels."""
    weight = trace.tensors[op.inputs[1] or 0].shape
    transposed = "conv_transpose" in op.name or op.attributes.get("transposed")
    place = len(trace.tensors[out].shape) - 1 - (len(weight) - 2 if op.name != "linear" else 0)
    channels = trace.tensors[out].shape[place]
    if transposed and op.attributes.get("groups", 1) == 1:
        return 1
    return 0 if weight[0] == channels else None


def _is_layer(trace: Trace, op: Op) -> bool:
    if op.name not in LAYERS or not op.outputs:
        return False
    return op.parent is None or trace.ops[op.parent].name not in LAYERS


def _is_depthwise(trace: Trace, op: Op) -> bool:
    """Whether each channel makes its own outputs, so that it makes none anew."""
    source, weight = (trace.tensors[tensor or 0].shape for tensor in op.inputs[:2])
    groups: int = op.attributes.get("groups", 1)
    return groups > 1 and groups == source[len(source) - len(weight) + 1]
