"""Which channels can be removed from a network because its weights make nothing of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from ucseg_cli.analysis.geometry.operator_kinds import NORMS, PRODUCTS, plain_name
from ucseg_cli.analysis.narrowing.channel_axes import SHARED_MEMORY, ChannelAxes
from ucseg_cli.analysis.narrowing.channel_layouts import Element
from ucseg_cli.analysis.narrowing.channel_rules import channel_axes
from ucseg_cli.analysis.narrowing.constant_channels import ConstantChannels
from ucseg_cli.analysis.narrowing.layer_steps import Producer, find_producers
from ucseg_cli.analysis.narrowing.narrower_trace import Narrower
from ucseg_cli.facts.state_dict import Zeros
from ucseg_cli.facts.trace import Trace

NO_ORDER = "its channels are shuffled in a way that is not followed"
TOGETHER = "channels that would go with it are not zero"
LAST = "one channel has to stay"


class LayerChannels(NamedTuple):
    """A conv or linear layer's output channels, by their numbers.

    Args:
        path: of the layer. channels: how many it has.
        zero: those all of whose weights are zero; None if that is not known.
        removable: those without which the network computes the same.
        kept: for each reason why channels that are zero are not removable, how many it keeps.
    """

    path: str
    channels: int
    zero: tuple[int, ...] | None
    removable: tuple[int, ...]
    kept: tuple[tuple[str, int], ...]


class Removal(NamedTuple):
    """The channels that can be removed from a network without another result.

    Args:
        layers: each one that has channels to remove, or that are zero, in the order they ran.
        before, after: the traces of the network and of that without the removable channels.
        places: for each weight that becomes smaller, by tensor, what goes along each axis.
    """

    layers: tuple[LayerChannels, ...]
    before: Trace
    after: Trace
    places: Mapping[int, tuple[tuple[int, ...], ...]]


def remove_zero_channels(trace: Trace, zeros: Mapping[int, Zeros]) -> Removal:
    """The channels that are zero wherever they are read, or that nothing reads.

    *zeros* has what is zero in the weights, by tensor. A channel that is added to others, or
    convolved depthwise, is removed with them or not at all, as it is when a layer is narrowed.
    """
    axes = channel_axes(trace)
    narrower = Narrower(axes)
    constants = ConstantChannels(axes, narrower.axes, zeros)
    removed = _removable(axes, constants)
    lengths = {
        variable: axes.layouts.lengths[variable] - count
        for variable, count in Counter(variable for variable, _ in removed).items()
    }
    after = narrower.trace(lengths) if lengths else trace
    if after is None:
        after, removed = trace, frozenset()
    kept = _Kept(axes, constants, removed)
    producers = find_producers(axes, narrower.axes)
    layers = (_layer(producer, zeros, axes, kept) for producer in producers)
    shown = tuple(layer for layer in layers if layer.zero or layer.removable)
    owned = (weight.tensor for m in trace.modules for weight in (*m.parameters, *m.buffers))
    changed = (one for one in dict.fromkeys(owned) if trace.tensors[one] != after.tensors[one])
    return Removal(shown, trace, after, {one: _places(axes, one, removed) for one in changed})


def _places(
    axes: ChannelAxes, tensor: int, removed: frozenset[Element]
) -> tuple[tuple[int, ...], ...]:
    """The places along each axis of a tensor that have a removed element."""
    along = (axes.layouts.elements(layout) or () for layout in axes.of(tensor))
    return tuple(
        tuple(place for place, element in enumerate(elements) if element in removed)
        for elements in along
    )


def _removable(axes: ChannelAxes, constants: ConstantChannels) -> frozenset[Element]:
    """The elements of variables that are zero somewhere and needed nowhere, but for one of each."""
    found: dict[int, list[Element]] = {}
    for element in sorted(constants.met - constants.read.keys()):
        variable, _ = element
        is_free = axes.layouts.reason(variable) is None
        if is_free and variable not in constants.blocked and variable not in constants.unordered:
            found.setdefault(variable, []).append(element)
    return frozenset(
        element
        for variable, elements in found.items()
        for element in elements[: axes.layouts.lengths[variable] - 1]
    )


def _layer(
    producer: Producer, zeros: Mapping[int, Zeros], axes: ChannelAxes, kept: _Kept
) -> LayerChannels:
    slices = zeros[producer.weight].slices if producer.weight in zeros else None
    zero = None if slices is None or producer.axis is None else slices[producer.axis]
    elements = axes.layouts.elements(producer.layout)
    removable = [place for place, one in enumerate(elements or ()) if one in kept.removed]
    staying = set(zero or ()).difference(removable)
    reasons = Counter(
        kept.reason(producer, None if elements is None else elements[place]) for place in staying
    )
    return LayerChannels(
        producer.path, producer.channels, zero, tuple(removable), tuple(reasons.most_common())
    )


class _Kept(NamedTuple):
    """Why elements of variables are not among the *removed* ones."""

    axes: ChannelAxes
    constants: ConstantChannels
    removed: frozenset[Element]

    def reason(self, producer: Producer, element: Element | None) -> str:
        """Why an element is kept, all of whose weights in a layer are zero."""
        constants = self.constants
        if element is None:
            fixed = (self.axes.layouts.reason(term.variable) for term in producer.layout)
            return next(filter(None, fixed), NO_ORDER)
        variable, _ = element
        if (reason := self.axes.layouts.reason(variable)) is not None:
            return reason
        if variable in constants.blocked:
            return f"{self._call(constants.blocked[variable])} works across all channels"
        losses = (index for index in constants.lost.get(element, ()) if index >= producer.op)
        if (loss := next(losses, None)) is not None:
            return self._loss(loss)
        if element in constants.read:
            return TOGETHER
        return SHARED_MEMORY if not self.removed else LAST

    def _loss(self, index: int) -> str:
        """The way in which an operator makes something else of a zero channel."""
        op = self.axes.trace.ops[index]
        path = self.axes.trace.modules[op.module].path or "the model"
        name = plain_name(op)
        if name in NORMS:
            return f"{path} shifts it to a constant"
        if name == "convolution" or name in PRODUCTS:
            return f"the bias of {path} is not zero"
        if name in {"add", "sub", "rsub"}:
            return f"{path} adds it to channels that are not zero"
        return f"{name} in {path} makes it other than zero"

    def _call(self, index: int) -> str:
        op = self.axes.trace.ops[index]
        return f"{plain_name(op)} in {self.axes.trace.modules[op.module].path or 'the model'}"
