"""The positions of its input that a convolution, pooling, padding or resampling reads."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

from ucseg_cli.analysis.geometry.operator_kinds import PADDING
from ucseg_cli.analysis.geometry.span import ITSELF, LONGEST_PERIOD, PeriodTooLongError, Span
from ucseg_cli.analysis.geometry.window import Window, rounds_up, windows
from ucseg_cli.facts.trace import Op, Trace

UPSAMPLING = {"upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d"}
ADAPTIVE = {"_adaptive_avg_pool2d", "adaptive_max_pool2d"}

Reading = tuple[Span, Span]
"""Along height and width."""


def reading(trace: Trace, op: Op, *, live_positions_only: bool) -> Reading | None:
    """None for other operators, and where it is unknown; raises PeriodTooLongError."""
    if op.name in UPSAMPLING:
        return _upsampling(trace, op)
    if op.name in PADDING:
        return _padding(op)
    if op.name in ADAPTIVE:
        return _adaptive(trace, op)
    if op.name == "convolution" and op.attributes.get("transposed"):
        return _spreading(trace, op)
    pair = windows(trace, op)
    if pair is None:
        return None
    # Beyond a map's end it is unknown which kernel positions are live.
    by_length = live_positions_only and not rounds_up(op)
    lengths = (trace.shape(op.inputs[0]) or ())[2:] if by_length else (None, None)
    return _both(map(_window, pair, lengths))


def _both(spans: Iterable[Span | None]) -> Reading | None:
    down, across = spans
    return None if down is None or across is None else (down, across)


def _window(window: Window, length: int | None) -> Span:
    """From the first kernel position to the last; on a map of *length*, of the live ones."""
    first, last = 0, window.kernel - 1
    if length is not None:
        live = window.live_positions(length) or (first, last)
        first, last = live[0], live[-1]
    start, end = (place * window.dilation - window.padding for place in (first, last))
    return Span((start,), (end,), window.stride)


def _padding(op: Op) -> Reading | None:
    """The same positions, shifted by the padding before them."""
    pads = op.attributes.get("pad") or op.attributes.get("padding") or ()
    # torch lists the last axis first, and may leave out the others.
    left, _, top, _ = (*pads, 0, 0, 0, 0)[:4]
    return Span((-top,), (-top,), 1), Span((-left,), (-left,), 1)


def _adaptive(trace: Trace, op: Op) -> Reading | None:
    """Where the map is cut into equal parts."""
    source, out = (trace.shape(tensor) or () for tensor in (op.inputs[0], op.outputs[0]))
    if len(out) != 4:
        return None
    parts = map(divmod, source[2:], out[2:])
    return _both(None if rest else Span((0,), (part - 1,), part) for part, rest in parts)


def _spreading(trace: Trace, op: Op) -> Reading | None:
    kernel = (trace.shape(op.inputs[1]) or ())[2:]
    if len(kernel) != 2:
        return None
    options = (op.attributes[name] for name in ("stride", "padding", "dilation"))
    return _both(map(_spread, kernel, *options))


def _spread(kernel: int, stride: int, padding: int, dilation: int) -> Span | None:
    """A transposed convolution writes input i times kernel k to i·stride + k·dilation - padding.

    None where an output gets nothing, or the inputs of neighbouring outputs go back and forth.
    """

    def inputs_of(output: int) -> list[int]:
        steps = (output + padding - place * dilation for place in range(kernel))
        return [step // stride for step in steps if step % stride == 0]

    # One output more than a period, so that the order is checked across its end, too.
    reached = list(map(inputs_of, range(stride + 1)))
    if not all(reached):
        return None
    first, last = list(map(min, reached)), list(map(max, reached))
    ordered = first == sorted(first) and last == sorted(last)
    return Span(tuple(first[:-1]), tuple(last[:-1]), 1) if ordered else None


def _upsampling(trace: Trace, op: Op) -> Reading | None:
    source, out = trace.shape(op.inputs[0]) or (), trace.shape(op.outputs[0]) or ()
    return _both(
        _resampling(op, source[axis], out[axis], op.attributes.get(scale))
        for axis, scale in ((2, "scales_h"), (3, "scales_w"))
    )


def _resampling(op: Op, before: int, after: int, scale: float | None) -> Span:
    """The one or two source positions nearest to an output position, as in torch's interpolate."""
    if before == after and scale is None:
        return ITSELF
    ratio = 1 / Fraction(scale).limit_denominator(1 << 16) if scale else Fraction(before, after)
    if op.attributes.get("align_corners"):
        ratio = Fraction(before - 1, max(after - 1, 1))
    if ratio.denominator > LONGEST_PERIOD:
        raise PeriodTooLongError
    # Pixels are areas, with their centres at halves, except for corners and the old nearest.
    at_corners = op.attributes.get("align_corners") or op.name == "upsample_nearest2d"
    half = Fraction(0 if at_corners else 1, 2)
    falls = [(position + half) * ratio for position in range(ratio.denominator)]
    if op.name != "upsample_bilinear2d":
        nearest = tuple(map(floor, falls))
        return Span(nearest, nearest, ratio.numerator)
    first = tuple(floor(place - half) for place in falls)
    last = tuple(ceil(place - half) for place in falls)
    return Span(first, last, ratio.numerator)
