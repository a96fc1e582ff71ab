"""The grid that a convolution or a pooling lays over its input: which positions each tap reads, along one axis."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.facts.trace import Op, Trace

POOLING = {"max_pool2d_with_indices", "avg_pool2d"}
WINDOWED = {"convolution", *POOLING}


class Window(NamedTuple):
    """A kernel along one axis: position o of the output reads input positions o·stride + t·dilation - padding.

    Tap t is one of 0 … kernel - 1; what lies outside the input is padding. Arithmetic as in Dumoulin and Visin,
    "A guide to convolution arithmetic for deep learning" (arXiv:1603.07285), relationship 15.
    """

    kernel: int
    dilation: int = 1
    stride: int = 1
    padding: int = 0

    @property
    def extent(self) -> int:
        """Input positions from the first tap to the last, both included."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def is_dilated(self) -> bool:
        """Whether there are gaps between its taps."""
        return self.dilation > 1 and self.kernel > 1

    @property
    def is_centred(self) -> bool:
        """Whether there is a centre tap and it reads the position below the output's own."""
        return self.kernel % 2 == 1 and self.padding == self.dilation * (self.kernel // 2)

    def positions(self, length: int) -> int:
        """How many positions the output has on an input of *length*."""
        return max(0, (length + 2 * self.padding - self.extent) // self.stride + 1)

    def least_length(self, positions: int) -> int:
        """The shortest input on which the output has that many positions."""
        return max(1, (positions - 1) * self.stride + self.extent - 2 * self.padding)

    def reads(self, length: int) -> tuple[int, ...]:
        """For each tap at how many output positions it reads data, not padding, on an input of *length*."""
        return tuple(self._reads(tap, length) for tap in range(self.kernel))

    def least_length_to_read(self) -> int:
        """The shortest input on which every tap reads data somewhere."""
        return max(map(self._least_length_to_read, range(self.kernel)))

    def _reads(self, tap: int, length: int) -> int:
        last = (length - 1 - self._offset(tap)) // self.stride
        return max(0, min(last, self.positions(length) - 1) - self._first(tap) + 1)

    def _least_length_to_read(self, tap: int) -> int:
        # Data and output positions both grow with the input, so the first output position that can read decides.
        first = self._first(tap)
        return max(first * self.stride + self._offset(tap) + 1, self.least_length(first + 1))

    def _first(self, tap: int) -> int:
        """The first output position at which the tap has left the padding before the input."""
        return max(0, -(self._offset(tap) // self.stride))

    def _offset(self, tap: int) -> int:
        return tap * self.dilation - self.padding


def windows(trace: Trace, op: Op) -> tuple[Window, Window] | None:
    """Along height and width; None for what is not a convolution or pooling of N×C×H×W, and for transposed ones."""
    if op.name in POOLING:
        return _make(op, op.attributes["kernel_size"])
    kernel = trace.shape(op.inputs[1]) if op.name == "convolution" else None
    if kernel is None or len(kernel) != 4 or op.attributes.get("transposed"):
        return None
    return _make(op, kernel[2:])


def rounds_up(op: Op) -> bool:
    """Whether a last position that the input does not fill is kept, which the arithmetic above does not know."""
    return bool(op.attributes.get("ceil_mode"))


def _make(op: Op, kernel: tuple[int, ...]) -> tuple[Window, Window]:
    dilation = op.attributes.get("dilation") or (1,)
    stride = op.attributes.get("stride") or (kernel if op.name in POOLING else (1,))
    padding = op.attributes.get("padding") or (0,)
    down, across = (Window(kernel[at], dilation[at], stride[at], padding[at]) for at in (0, -1))
    return down, across
