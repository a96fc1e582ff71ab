"""Where along one axis each kernel position of a convolution or pooling falls on its input."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.facts.trace import Op, Trace

POOLING = {"max_pool2d_with_indices", "avg_pool2d"}


class Window(NamedTuple):
    """A kernel along one axis: output o reads input positions o·stride + k·dilation - padding.

    Kernel position k is one of 0 … kernel - 1; outside the input is padding. Arithmetic as in
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (arXiv:1603.07285),
    relationship 15.
    """

    kernel: int
    dilation: int = 1
    stride: int = 1
    padding: int = 0

    @property
    def extent(self) -> int:
        """Input positions from the kernel's first to its last, both included."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def is_dilated(self) -> bool:
        """Whether there are gaps between its positions."""
        return self.dilation > 1 and self.kernel > 1

    @property
    def is_centred(self) -> bool:
        """Whether the kernel has a centre, which reads the position below the output's own."""
        return self.kernel % 2 == 1 and self.padding == self.dilation * (self.kernel // 2)

    def positions(self, length: int) -> int:
        """How many positions the output has on an input of *length*."""
        return max(0, (length + 2 * self.padding - self.extent) // self.stride + 1)

    def least_length(self, positions: int) -> int:
        """The shortest input on which the output has that many positions."""
        return max(1, (positions - 1) * self.stride + self.extent - 2 * self.padding)

    def reads(self, length: int) -> tuple[int, ...]:
        """At how many outputs each kernel position reads data, on an input of *length*."""
        return tuple(self._reads(place, length) for place in range(self.kernel))

    def live_positions(self, length: int) -> tuple[int, ...]:
        """The kernel positions that ever read data, not padding, on an input of *length*."""
        return tuple(place for place, count in enumerate(self.reads(length)) if count)

    def least_length_to_read(self) -> int:
        """The shortest input on which every kernel position reads data somewhere."""
        return max(map(self._least_length_to_read, range(self.kernel)))

    def _reads(self, place: int, length: int) -> int:
        # The outputs at which this position is inside the data, cut to those that there are.
        last = (length - 1 - self._offset(place)) // self.stride
        return max(0, min(last, self.positions(length) - 1) - self._first(place) + 1)

    def _least_length_to_read(self, place: int) -> int:
        # Data and outputs both grow with the input, so the first output that can read decides.
        first = self._first(place)
        return max(first * self.stride + self._offset(place) + 1, self.least_length(first + 1))

    def _first(self, place: int) -> int:
        """The first output at which the kernel position has left the padding before the input."""
        # Division that rounds up, written with one that rounds down.
        return max(0, -(self._offset(place) // self.stride))

    def _offset(self, place: int) -> int:
        return place * self.dilation - self.padding


def windows(trace: Trace, op: Op) -> tuple[Window, Window] | None:
    """Along height and width of N×C×H×W; None for all but pooling and plain convolutions."""
    if op.name in POOLING:
        return _make(op, op.attributes["kernel_size"])
    kernel = trace.shape(op.inputs[1]) if op.name == "convolution" else None
    if kernel is None or len(kernel) != 4 or op.attributes.get("transposed"):
        return None
    return _make(op, kernel[2:])


def rounds_up(op: Op) -> bool:
    """Whether it keeps a last position that the input does not fill; Window does not."""
    return bool(op.attributes.get("ceil_mode"))


def _make(op: Op, kernel: tuple[int, ...]) -> tuple[Window, Window]:
    dilation = op.attributes.get("dilation") or (1,)
    stride = op.attributes.get("stride") or (kernel if op.name in POOLING else (1,))
    padding = op.attributes.get("padding") or (0,)
    down, across = (Window(kernel[at], dilation[at], stride[at], padding[at]) for at in (0, -1))
    return down, across
