"""How much of a dilated convolution reads data, not padding, and from which size all of it does."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import conv_macs
from ucseg_cli.analysis.geometry.stride import is_image
from ucseg_cli.analysis.geometry.window import Window, rounds_up, windows
from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.facts.trace import Op, Trace

Chain = tuple[Window, ...]
"""The windows between the network's input and a map, along one axis, in order."""

SIZED = ("upsample", "_upsample", "adaptive", "_adaptive", "mean", "amax")
"""Prefixes of operators whose output size is an argument, even if it equals the input's."""


class AxisReach(NamedTuple):
    """A dilated convolution along one axis.

    Args:
        window: its kernel.
        length: of the map that it reads.
        least_input: the shortest input of the network at which every kernel position reads data;
            None where the path to the map is not a chain of convolutions and poolings.
    """

    window: Window
    length: int
    least_input: int | None

    @property
    def reads(self) -> int:
        """Pairs of output and kernel position that meet data."""
        return sum(self.window.reads(self.length))

    @property
    def products(self) -> int:
        """Pairs of output and kernel position."""
        return self.window.kernel * self.window.positions(self.length)

    @property
    def share(self) -> Fraction:
        """The share of the pairs that meet data."""
        return Fraction(self.reads, self.products)

    @property
    def live_positions(self) -> tuple[int, ...]:
        """The kernel positions that ever meet data."""
        return self.window.live_positions(self.length)

    @property
    def is_centre_alone(self) -> bool:
        """Whether the kernel's centre is its only position that ever meets data."""
        return self.window.is_centred and self.live_positions == (self.window.kernel // 2,)


class Reach(NamedTuple):
    """One call of a dilated convolution. A kernel position meets data if it does along both axes.

    Args:
        module: path of the module that ran it.
        height, width: its axes.
        params: weights of the kernel, without bias.
        macs: multiply-accumulates of the call, which every counter charges in full.
    """

    module: str
    height: AxisReach
    width: AxisReach
    params: int
    macs: int

    @property
    def rate(self) -> tuple[int, int]:
        """The dilation along height and width."""
        return self.height.window.dilation, self.width.window.dilation

    @property
    def map(self) -> tuple[int, int]:
        """Height and width of the map that it reads."""
        return self.height.length, self.width.length

    @property
    def reads(self) -> int:
        """Pairs of output and kernel position that meet data: products for a pair of channels."""
        return self.height.reads * self.width.reads

    @property
    def products(self) -> int:
        """Pairs of output and kernel position."""
        return self.height.products * self.width.products

    @property
    def share(self) -> Fraction:
        """The share of the pairs that meet data."""
        return self.height.share * self.width.share

    @property
    def kernel_positions(self) -> int:
        """Height by width of the kernel."""
        return self.height.window.kernel * self.width.window.kernel

    @property
    def dead_positions(self) -> int:
        """Kernel positions that meet padding at every output."""
        live = len(self.height.live_positions) * len(self.width.live_positions)
        return self.kernel_positions - live

    @property
    def dead_params(self) -> int:
        """Weights at the dead positions: their values change nothing at this size."""
        return self.params // self.kernel_positions * self.dead_positions

    @property
    def dead_macs(self) -> int:
        """Multiply-accumulates at the dead positions."""
        return self.macs // self.kernel_positions * self.dead_positions

    @property
    def padding_macs(self) -> int:
        """Multiply-accumulates with padding, at dead positions and at the borders."""
        return self.macs // self.products * (self.products - self.reads)

    @property
    def is_pointwise(self) -> bool:
        """Whether at this size a 1×1 convolution with the centre weights gives the same output."""
        return self.height.is_centre_alone and self.width.is_centre_alone

    @property
    def least_size(self) -> tuple[int, int] | None:
        """The network's least input height and width at which every kernel position meets data."""
        down, across = self.height.least_input, self.width.least_input
        return None if down is None or across is None else (down, across)


@once_per_trace
def reaches(trace: Trace) -> tuple[Reach, ...]:
    """Each call of a dilated convolution that produced anything, in the order they ran."""
    return tuple(_reaches(trace))


def _reaches(trace: Trace) -> Iterator[Reach]:
    known = _chains(trace)
    for _, op in trace.kernels():
        pair = windows(trace, op) if op.name == "convolution" else None
        if pair is not None and any(window.is_dilated for window in pair):
            yield _reach(trace, op, pair, known.get(op.inputs[0] or 0))


def _reach(
    trace: Trace, op: Op, pair: tuple[Window, Window], chains: tuple[Chain, Chain] | None
) -> Reach:
    source, weight = (trace.shape(tensor) or () for tensor in op.inputs[:2])
    down, across = (
        AxisReach(window, length, _least_input(window, chain))
        for window, length, chain in zip(pair, source[2:], chains or (None, None), strict=True)
    )
    return Reach(trace.modules[op.module].path, down, across, prod(weight), conv_macs(trace, op))


def _least_input(window: Window, chain: Chain | None) -> int | None:
    """Outputs grow with the input, so go from the last window to the first."""
    if chain is None:
        return None
    length = window.least_length_to_read()
    for earlier in reversed(chain):
        length = earlier.least_length(length)
    return length


def _chains(trace: Trace) -> dict[int, tuple[Chain, Chain]]:
    """The windows from the input to each map along both axes, where nothing else sets its size."""
    images = (tensor for tensor in trace.inputs if is_image(trace, tensor))
    known: dict[int, tuple[Chain, Chain]] = dict.fromkeys(images, ((), ()))
    for _, op in trace.kernels():
        chains = _chains_of_outputs(trace, op, known)
        if chains is not None:
            known.update(dict.fromkeys(op.outputs, chains))
    return known


def _chains_of_outputs(
    trace: Trace, op: Op, known: dict[int, tuple[Chain, Chain]]
) -> tuple[Chain, Chain] | None:
    # Operators without a window may still pass a map on unchanged: norms, activations.
    pair = windows(trace, op)
    if pair is None:
        return _carried(trace, op, known)
    if rounds_up(op) or op.inputs[0] not in known:
        return None
    down, across = known[op.inputs[0]]
    return (*down, pair[0]), (*across, pair[1])


def _carried(
    trace: Trace, op: Op, known: dict[int, tuple[Chain, Chain]]
) -> tuple[Chain, Chain] | None:
    """The first input's with the output's size, unless the operator sets that or moves the axes."""
    out = trace.shape(op.outputs[0]) if op.outputs else None
    if out is None or op.name.startswith(SIZED) or not is_image(trace, op.outputs[0]):
        return None
    same = (
        known[tensor]
        for tensor in op.inputs
        if tensor in known and (trace.shape(tensor) or ())[2:] == out[2:]
    )
    return next(same, None)
