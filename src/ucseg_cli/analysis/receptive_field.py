"""Which input pixels a position of a feature map can see, and through which modules it sees all of them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import NamedTuple

from ucseg_cli.analysis.stride import Stride, strides
from ucseg_cli.analysis.window import WINDOWED, Window, rounds_up, windows
from ucseg_cli.trace import Op, Tap, Trace


class Span(NamedTuple):
    """What each position along one axis reads of a source without borders: all from *first* to *last*.

    Position o reads from first[o mod P] + (o div P)·step to last[o mod P] + (o div P)·step, where P is the number of
    entries. Behind strided convolutions P is 1; bilinear upsampling makes neighbours differ. Positions between the
    taps of a dilated convolution count as read: a receptive field is a box.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    step: int

    @property
    def period(self) -> int:
        """After how many positions what is read repeats, *step* further on."""
        return len(self.first)

    @property
    def size(self) -> int:
        """Pixels that a position reads, where most."""
        return max(last - first + 1 for first, last in zip(self.first, self.last, strict=True))

    def at(self, position: int) -> tuple[int, int]:
        """The first and the last pixel that a position reads."""
        turns, place = divmod(position, self.period)
        return self.first[place] + turns * self.step, self.last[place] + turns * self.step


LONGEST_PERIOD = 1 << 12
"""Where resizings follow one another whose ratios have nothing in common, what is read hardly ever repeats."""

ITSELF = Span((0,), (0,), 1)
"""Every position reads the one below it."""

Field = tuple[Span, Span]
"""Along height and width."""


class Sight(NamedTuple):
    """What a tensor sees of the input.

    Args:
        field: where from; None where every position sees the same, as after global pooling.
        context: modules, by index, through which it sees all of the input besides.
        pool: the module that pooled it, until it is brought back to a map.
    """

    field: Field | None
    context: frozenset[int] = frozenset()
    pool: int | None = None


class ReceptiveField(NamedTuple):
    """What a position of a named map sees.

    Args:
        name: of the map.
        module: whose output it is.
        stride: of the map, in pixels along height and width; None where it has no fixed grid.
        size: height and width in pixels of what it sees on an input without borders, gates set aside; None where
            every position sees the same, or where an operator on the way is not known here.
        live_size: the same without taps that read padding at every position of their map; not more than *size*.
        global_context: the modules through which it sees the whole input besides: squeeze-excite, image pooling.
    """

    name: str
    module: str
    stride: Stride | None
    size: tuple[int, int] | None
    live_size: tuple[int, int] | None
    global_context: tuple[str, ...]


def receptive_fields(trace: Trace, maps: Iterable[Tap]) -> tuple[ReceptiveField, ...]:
    """Of each named map that was produced, in order.

    Composes what each operator reads of its input, as in Araujo, Norris and Sim, "Computing Receptive Fields of
    Convolutional Neural Networks" (Distill, 2019), exactly: positions stay integers, unions keep both ends.
    """
    grids, known, live = strides(trace), sights(trace), sights(trace, live_taps_only=True)
    produced = ((tap, trace.by_path[tap.module].outputs) for tap in maps if tap.module in trace.by_path)
    return tuple(
        _receptive_field(trace, tap, grids.get(outputs[0]), known.get(outputs[0]), live.get(outputs[0]))
        for tap, outputs in produced
        if outputs
    )


def _receptive_field(
    trace: Trace, tap: Tap, stride: Stride | None, sight: Sight | None, live: Sight | None
) -> ReceptiveField:
    sight = sight or Sight(None)
    context = sight.context if sight.pool is None else sight.context | {sight.pool}
    through = tuple(trace.modules[module].path for module in sorted(context))
    return ReceptiveField(tap.name, tap.module, stride, _size(sight), _size(live or Sight(None)), through)


def _size(sight: Sight) -> tuple[int, int] | None:
    return (sight.field[0].size, sight.field[1].size) if sight.field else None


def sights(trace: Trace, *, live_taps_only: bool = False) -> dict[int, Sight | None]:
    """What each tensor that depends on the input sees of it; None where an operator on the way is not known here.

    With *live_taps_only*, without the taps of convolutions that read padding at every position of their map.
    """
    known: dict[int, Sight | None] = {tensor: Sight((ITSELF, ITSELF)) for tensor in trace.inputs}
    for _, op in trace.kernels():
        if any(tensor in known for tensor in op.inputs):
            known.update(dict.fromkeys(op.outputs, _sight(trace, op, known, live_taps_only=live_taps_only)))
    return known


def _sight(trace: Trace, op: Op, known: dict[int, Sight | None], *, live_taps_only: bool) -> Sight | None:
    tensors = [tensor for tensor in op.inputs if tensor is not None and tensor in known]
    sources = [sight for tensor in tensors if (sight := known[tensor]) is not None]
    if len(sources) < len(tensors) or op.name in REARRANGING:
        return None
    context = frozenset[int]().union(*(source.context for source in sources))
    if _pools_globally(trace, op):
        return Sight(None, context, pool=op.module)
    if op.name.startswith("upsample_") and sources[0].pool is not None:
        return Sight(None, context | {op.module})
    if all(source.pool is not None for source in sources):
        return Sight(None, context, sources[0].pool)
    if _uses_statistics(op):
        context |= {op.module}
    reading = _reading(trace, op, live_taps_only=live_taps_only)
    seen = _seen_through_windows(reading, sources[0], context)
    return seen or _merged(trace, op, tensors, sources, context)


def _seen_through_windows(reading: Field | None, source: Sight, context: frozenset[int]) -> Sight | None:
    """Through a convolution, pooling or upsampling; None for other operators, and where it is not known."""
    if reading is None:
        return None
    if source.field is None:
        return Sight(None, context)
    down, across = map(through, source.field, reading)
    return None if down is None or across is None else Sight((down, across), context)


def _merged(trace: Trace, op: Op, tensors: list[int], sources: list[Sight], context: frozenset[int]) -> Sight | None:
    """Of several maps on one grid all that any of them sees; what was pooled and comes back is named by the operator's module."""
    out = (trace.shape(op.outputs[0]) or ()) if op.outputs else ()
    maps = [sight for sight in sources if sight.pool is None]
    on_grid = all(
        sight.pool is not None or (trace.shape(tensor) or ())[2:] == out[2:]
        for tensor, sight in zip(tensors, sources, strict=True)
    )
    if len(out) != 4 or not on_grid or op.name in WINDOWED:
        return None
    back = {op.module} if len(maps) < len(sources) else set()
    fields = [sight.field for sight in maps if sight.field is not None]
    if not fields:
        return Sight(None, context | back)
    down, across = (hull([field[axis] for field in fields]) for axis in (0, 1))
    return None if down is None or across is None else Sight((down, across), context | back)


def hull(spans: Iterable[Span]) -> Span | None:
    """From the first position that any of *spans* reads to the last; they are on one grid. None where it hardly repeats."""
    spans = list(dict.fromkeys(spans))
    period = lcm(*(span.period for span in spans))
    if period > LONGEST_PERIOD:
        return None
    read = [[span.at(position) for span in spans] for position in range(period)]
    return Span(
        tuple(min(first for first, _ in each) for each in read),
        tuple(max(last for _, last in each) for each in read),
        spans[0].step * (period // spans[0].period),
    )


def through(source: Span, window: Span) -> Span | None:
    """What is read of the input by positions that read *window* of a map whose positions read *source*.

    None where it hardly repeats.
    """
    repeats = source.period // gcd(source.period, window.step)
    if window.period * repeats > LONGEST_PERIOD:
        return None
    read = [window.at(position) for position in range(window.period * repeats)]
    return Span(
        tuple(source.at(first)[0] for first, _ in read),
        tuple(source.at(last)[1] for _, last in read),
        source.step * (window.step * repeats // source.period),
    )


def _reading(trace: Trace, op: Op, *, live_taps_only: bool) -> Field | None:
    """What the positions of an operator's output read of its first input; None where it has no window."""
    if op.name in UPSAMPLING:
        return _upsampling(trace, op)
    pair = windows(trace, op)
    if pair is None or rounds_up(op):
        return None
    lengths = (trace.shape(op.inputs[0]) or ())[2:] if live_taps_only else (None, None)
    down, across = map(_window, pair, lengths)
    return down, across


def _window(window: Window, length: int | None) -> Span:
    """From the first tap to the last; on a map of *length*, of those that read data anywhere."""
    first, last = 0, window.kernel - 1
    if length is not None:
        live = [tap for tap, count in enumerate(window.reads(length)) if count]
        first, last = (live[0], live[-1]) if live else (first, last)
    return Span((first * window.dilation - window.padding,), (last * window.dilation - window.padding,), window.stride)


UPSAMPLING = {"upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d"}


def _upsampling(trace: Trace, op: Op) -> Field | None:
    source, out = trace.shape(op.inputs[0]) or (), trace.shape(op.outputs[0]) or ()
    down, across = (
        _resampling(op, source[axis], out[axis], op.attributes.get(scale))
        for axis, scale in ((2, "scales_h"), (3, "scales_w"))
    )
    return None if down is None or across is None else (down, across)


def _resampling(op: Op, before: int, after: int, scale: float | None) -> Span | None:
    """The one or two source positions nearest to where an output position falls, as torch's interpolate has it."""
    ratio = 1 / Fraction(scale).limit_denominator(1 << 16) if scale else Fraction(before, after)
    if op.attributes.get("align_corners"):
        ratio = Fraction(before - 1, max(after - 1, 1))
    if ratio.denominator > LONGEST_PERIOD:
        return None
    half = Fraction(0 if op.attributes.get("align_corners") or op.name == "upsample_nearest2d" else 1, 2)
    falls = [(position + half) * ratio for position in range(ratio.denominator)]
    if op.name != "upsample_bilinear2d":
        return Span(tuple(map(floor, falls)), tuple(map(floor, falls)), ratio.numerator)
    return Span(
        tuple(floor(place - half) for place in falls), tuple(ceil(place - half) for place in falls), ratio.numerator
    )


REARRANGING = {"flip", "roll", "transpose", "permute"}
"""They keep a map's shape, or seem to, and not its places."""


def _pools_globally(trace: Trace, op: Op) -> bool:
    """Whether each output is made of a whole map: a mean or maximum over height and width."""
    source = trace.shape(op.inputs[0]) or ()
    if len(source) != 4:
        return False
    if op.name in {"mean", "amax", "sum"}:
        return {2, 3} <= {axis % 4 for axis in op.attributes.get("dim") or (0, 1, 2, 3)}
    return "adaptive" in op.name and (trace.shape(op.outputs[0]) or ())[2:] == (1, 1)


def _uses_statistics(op: Op) -> bool:
    """Whether it scales a map by its own mean and variance, which each position then depends on."""
    return op.name == "native_group_norm" or (op.name == "native_batch_norm" and bool(op.attributes.get("training")))
