"""The effect of each operator on the layouts of axes; operators not listed fix what they touch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ucseg_cli.analysis.geometry.operator_kinds import (
    ALONG_ONE_AXIS,
    MOVING,
    POINTWISE,
    REDUCTIONS,
    RESHAPING,
    gives_another_shape,
    plain_name,
)
from ucseg_cli.analysis.narrowing.channel_axes import (
    CONSTANT,
    NO_CHANNELS,
    Axes,
    ChannelAxes,
    fix_attention,
    fix_ends,
)
from ucseg_cli.analysis.narrowing.channel_layouts import Layout
from ucseg_cli.analysis.narrowing.reshaped_axes import reshaped
from ucseg_cli.facts.trace import Op, Trace

Rule = Callable[[ChannelAxes, Op], bool]
"""Links the axes of a call; False if it cannot follow it."""


def channel_axes(trace: Trace) -> ChannelAxes:
    """The axes of every tensor of a pass, linked."""
    axes = ChannelAxes(trace)
    fix_attention(axes)
    for _, op in trace.kernels():
        if not _follow(axes, op):
            axes.fix((*op.inputs, *op.outputs), axes.reason(op))
            if op.name in RESHAPING:
                axes.fix_read_for(op.inputs, axes.reason(op))
    fix_ends(axes)
    return axes


def _follow(axes: ChannelAxes, op: Op) -> bool:
    if not op.outputs:
        return op.name.startswith("_assert")
    if not _present(op):
        return all(axes.made(op, out, _fixed(axes, out, CONSTANT)) for out in op.outputs)
    if any(gives_another_shape(op, axes.shape(out)) for out in op.outputs):
        return False
    if op.name == "as_strided_":  # it only lays out anew what has this shape already
        return _kept(axes, op)
    families = (rule for name, rule in _FAMILIES if name.match(op.name))
    rule = _RULES.get(plain_name(op)) or next(families, None)
    return rule is not None and rule(axes, op)


def _fixed(axes: ChannelAxes, tensor: int, reason: str = NO_CHANNELS) -> Axes:
    return axes.fresh(axes.shape(tensor), reason)


def _present(op: Op) -> list[int]:
    return [tensor for tensor in op.inputs if tensor is not None]


def _first(axes: ChannelAxes, op: Op) -> Axes:
    return axes.of(_present(op)[0])


def _dim(op: Op, rank: int, default: int = 0) -> int:
    return int(op.attributes.get("dim", default)) % max(1, rank)


def _make(axes: ChannelAxes, op: Op, made: Sequence[Layout]) -> bool:
    """The first output has these axes, and so has every other of its shape; the rest are fixed."""
    shape = axes.shape(op.outputs[0])
    return all(
        axes.made(op, out, made if axes.shape(out) == shape else _fixed(axes, out))
        for out in op.outputs
    )


# The same shape


def _kept(axes: ChannelAxes, op: Op) -> bool:
    return _make(axes, op, _first(axes, op))


def _broadcast(axes: ChannelAxes, op: Op) -> bool:
    """Axes are counted from the last; one of length one fits any other."""
    shape = axes.shape(op.outputs[0])
    made = []
    for place in range(-len(shape), 0):
        sources = [axes.of(tensor) for tensor in _present(op)]
        along = [layouts[place] for layouts in sources if len(layouts) >= -place]
        alike = [layout for layout in along if axes.layouts.length(layout) == shape[place] > 1]
        for other in alike[1:]:
            axes.equate(op, alike[:1], [other])
        made += alike[:1] or [axes.layouts.new(shape[place], NO_CHANNELS)]
    return _make(axes, op, made)


def _batch_norm(axes: ChannelAxes, op: Op) -> bool:
    source, channels = _first(axes, op), _first(axes, op)[1]
    for tensor in op.inputs[1:]:
        if tensor is not None:
            axes.equate(op, axes.of(tensor), [channels])
    length = axes.layouts.length(channels)
    made = axes.made(op, op.outputs[0], source)
    return made and all(
        axes.made(op, out, [channels] if axes.shape(out) == (length,) else _fixed(axes, out))
        for out in op.outputs[1:]
    )


def _group_norm(axes: ChannelAxes, op: Op) -> bool:
    groups = op.attributes.get("group")
    channels = _first(axes, op)[1]
    if not isinstance(groups, int) or axes.layouts.part(channels, groups, axes.reason(op)) is None:
        return False
    for tensor in op.inputs[1:]:
        if tensor is not None:
            axes.equate(op, axes.of(tensor), [channels])
    return _kept(axes, op)


def _layer_norm(axes: ChannelAxes, op: Op) -> bool:
    source, count = _first(axes, op), len(op.attributes["normalized_shape"])
    for tensor in op.inputs[1:]:
        if tensor is not None:
            axes.equate(op, axes.of(tensor), source[-count:])
    return _kept(axes, op)


def _halved(axes: ChannelAxes, op: Op) -> bool:
    source = list(_first(axes, op))
    at = _dim(op, len(source), -1)
    half = axes.layouts.part(source[at], 2, axes.reason(op))
    return half is not None and _make(axes, op, [*source[:at], half, *source[at + 1 :]])


def _shuffled_channels(axes: ChannelAxes, op: Op) -> bool:
    groups, source = op.attributes.get("groups", 1), list(_first(axes, op))
    part = axes.layouts.part(source[1], groups, axes.reason(op))
    if part is None:
        return False
    source[1] = axes.layouts.multiply(part, groups, groups)
    return _make(axes, op, source)


# Convolutions and products


def _convolved(axes: ChannelAxes, op: Op) -> bool:
    source, weight = (axes.of(tensor) for tensor in _present(op)[:2])
    for layout in weight[2:]:
        axes.layouts.fix(layout, NO_CHANNELS)
    made = _made_channels(axes, op, source[1], (weight[0], weight[1]))
    if made is None:
        return False
    if op.inputs[2] is not None:
        axes.equate(op, axes.of(op.inputs[2]), [made])
    spatial = axes.fresh(axes.shape(op.outputs[0])[2:], NO_CHANNELS)
    return axes.made(op, op.outputs[0], [source[0], made, *spatial])


def _made_channels(
    axes: ChannelAxes, op: Op, channels: Layout, weight: tuple[Layout, Layout]
) -> Layout | None:
    """The channels that a conv makes of others; None if its groups cannot be followed."""
    groups, transposed = op.attributes["groups"], op.attributes["transposed"]
    if groups == 1:
        read, made = weight if transposed else weight[::-1]
        axes.equate(op, [read], [channels])
        return made
    if groups == axes.layouts.length(channels):
        return _depthwise(axes, op, channels, weight, transposed=transposed)
    return None if transposed else _grouped(axes, op, channels, weight)


def _depthwise(
    axes: ChannelAxes, op: Op, channels: Layout, weight: tuple[Layout, Layout], *, transposed: bool
) -> Layout:
    """Each channel makes its own outputs, so both sides are narrowed together."""
    first, second = weight
    axes.layouts.fix(second, NO_CHANNELS)
    if transposed:
        axes.equate(op, [first], [channels])
        times = axes.layouts.length(second)
        return axes.layouts.multiply(channels, times, times)
    times = axes.layouts.length(first) // axes.layouts.length(channels)
    axes.equate(op, [first], [axes.layouts.multiply(channels, times, times)])
    return first


def _grouped(
    axes: ChannelAxes, op: Op, channels: Layout, weight: tuple[Layout, Layout]
) -> Layout | None:
    """The groups stay as many, so both sides lose the same number of channels in each."""
    groups = op.attributes["groups"]
    read = axes.layouts.part(channels, groups, axes.reason(op))
    if read is None or axes.layouts.part(weight[0], groups, axes.reason(op)) is None:
        return None
    axes.equate(op, [weight[1]], [read])
    return weight[0]


def _multiplied(axes: ChannelAxes, op: Op) -> bool:
    """The columns of one by the rows of the other; an addend stands before both."""
    *addend, left, right = (axes.of(tensor) for tensor in _present(op))
    axes.equate(op, left[:-2], right[:-2])
    axes.equate(op, [left[-1]], [right[-2]])
    axes.note_product(left[-1], right[-1])
    made = [*left[:-1], right[-1]]
    for other in addend:
        for own, layout in zip(reversed(other), reversed(made), strict=False):
            if axes.layouts.length(own) == axes.layouts.length(layout):
                axes.equate(op, [own], [layout])
    return _make(axes, op, made)


def _embedded(axes: ChannelAxes, op: Op) -> bool:
    table, indices = (axes.of(tensor) for tensor in _present(op)[:2])
    axes.layouts.fix(table[0], NO_CHANNELS)
    return _make(axes, op, [*indices, table[1]])


# Other places


def _resampled(axes: ChannelAxes, op: Op) -> bool:
    """Pooling and resizing change the last axes, as many as the name says."""
    match = re.search("([123])d", op.name)
    count = int(match[1]) if match else 0
    source, shape = _first(axes, op), axes.shape(op.outputs[0])
    spatial = axes.fresh(shape[len(shape) - count :], NO_CHANNELS)
    return _make(axes, op, [*source[: len(shape) - count], *spatial])


def _padded(axes: ChannelAxes, op: Op) -> bool:
    """Pairs of numbers for the axes, the last axis first."""
    source, pads = list(_first(axes, op)), op.attributes.get("pad", op.attributes.get("padding"))
    if not isinstance(pads, tuple) or min(pads, default=0) < 0:
        return False
    for place in range(len(pads) // 2):
        before, after = pads[2 * place : 2 * place + 2]
        ends = axes.fresh((before, after), CONSTANT)
        source[-1 - place] = (*ends[0], *source[-1 - place], *ends[1])
    return _make(axes, op, source)


def _reduced(axes: ChannelAxes, op: Op) -> bool:
    source, out = _first(axes, op), axes.shape(op.outputs[0])
    dims = op.attributes.get("dim", ())
    listed = dims if isinstance(dims, tuple) else (dims,)
    gone = {dim % max(1, len(source)) for dim in listed} or set(range(len(source)))
    one = axes.layouts.new(1, NO_CHANNELS)
    keeps = len(out) == len(source)
    made = [one if at in gone else own for at, own in enumerate(source) if keeps or at not in gone]
    return _make(axes, op, made)


def _permuted(axes: ChannelAxes, op: Op) -> bool:
    source = _first(axes, op)
    return _make(axes, op, [source[place] for place in op.attributes["dims"]])


def _transposed(axes: ChannelAxes, op: Op) -> bool:
    made = list(_first(axes, op))
    one, other = op.attributes.get("dim0", 0), op.attributes.get("dim1", 1)
    if len(made) > 1:
        made[one], made[other] = made[other], made[one]
    return _make(axes, op, made)


def _concatenated(axes: ChannelAxes, op: Op) -> bool:
    rank = len(axes.shape(op.outputs[0]))
    sources = [axes.of(tensor) for tensor in _present(op) if axes.shape(tensor) != (0,)]
    at = _dim(op, rank)
    joined = tuple(term for source in sources for term in source[at])
    for source in sources[1:]:
        axes.equate(op, _without(source, at), _without(sources[0], at))
    return _make(axes, op, [*sources[0][:at], joined, *sources[0][at + 1 :]])


def _stacked(axes: ChannelAxes, op: Op) -> bool:
    sources = [axes.of(tensor) for tensor in _present(op)]
    for source in sources[1:]:
        axes.equate(op, source, sources[0])
    at = _dim(op, len(sources[0]) + 1)
    count = axes.layouts.new(len(sources), NO_CHANNELS)
    return _make(axes, op, [*sources[0][:at], count, *sources[0][at:]])


def _without(source: Axes, at: int) -> Axes:
    return (*source[:at], *source[at + 1 :])


def _selected(axes: ChannelAxes, op: Op) -> bool:
    source = _first(axes, op)
    at = _dim(op, len(source))
    axes.layouts.fix(source[at], NO_CHANNELS)
    return all(axes.made(op, out, _without(source, at)) for out in op.outputs)


def _split(axes: ChannelAxes, op: Op) -> bool:
    """Equal parts stay equal, since `chunk` makes them; others are cut where they are cut."""
    source = _first(axes, op)
    at = _dim(op, len(source))
    lengths = [axes.shape(out)[at] for out in op.outputs]
    if len(set(lengths)) == 1 and op.name != "split_with_sizes":
        part = axes.layouts.part(source[at], len(lengths), axes.reason(op))
        parts = None if part is None else [part] * len(lengths)
    else:
        parts = axes.layouts.cut(source[at], lengths)
    return parts is not None and all(
        axes.made(op, out, [*source[:at], part, *source[at + 1 :]])
        for out, part in zip(op.outputs, parts, strict=True)
    )


def _sliced(axes: ChannelAxes, op: Op) -> bool:
    source = list(_first(axes, op))
    at = _dim(op, len(source))
    length = axes.layouts.length(source[at])
    start, stop, step = slice(
        op.attributes.get("start"), op.attributes.get("end"), op.attributes.get("step", 1)
    ).indices(length)
    if step != 1:
        return False
    stop = max(start, stop)
    parts = axes.layouts.cut(source[at], (start, stop - start, length - stop))
    if parts is None:
        return False
    source[at] = parts[1] or axes.layouts.new(0, NO_CHANNELS)
    return _make(axes, op, source)


def _expanded(axes: ChannelAxes, op: Op) -> bool:
    source, shape = _first(axes, op), axes.shape(op.outputs[0])
    before: list[Layout | None] = [None] * (len(shape) - len(source))
    made = [
        own
        if own is not None and axes.layouts.length(own) == length
        else axes.layouts.new(length, axes.reason(op))
        for own, length in zip((*before, *source), shape, strict=True)
    ]
    return _make(axes, op, made)


def _reshaped(axes: ChannelAxes, op: Op) -> bool:
    if "dtype" in op.attributes:
        return False
    made = reshaped(axes.layouts, _first(axes, op), axes.shape(op.outputs[0]), axes.reason(op))
    return made is not None and _make(axes, op, made)


def _pixels_shuffled(axes: ChannelAxes, op: Op) -> bool:
    source, count = list(_first(axes, op)), op.attributes["upscale_factor"] ** 2
    part = axes.layouts.part(source[-3], count, axes.reason(op), count)
    spatial = axes.fresh(axes.shape(op.outputs[0])[-2:], NO_CHANNELS)
    return part is not None and _make(axes, op, [*source[:-3], part, *spatial])


def _pixels_unshuffled(axes: ChannelAxes, op: Op) -> bool:
    source, count = list(_first(axes, op)), op.attributes["downscale_factor"] ** 2
    more = axes.layouts.multiply(source[-3], count, count)
    spatial = axes.fresh(axes.shape(op.outputs[0])[-2:], NO_CHANNELS)
    return _make(axes, op, [*source[:-3], more, *spatial])


LIKE = ("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "cumsum")

_RULES: dict[str, Rule] = {
    **dict.fromkeys(POINTWISE, _broadcast),
    **dict.fromkeys((*ALONG_ONE_AXIS - {"glu", "channel_shuffle"}, *MOVING, *LIKE), _kept),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(RESHAPING, _reshaped),
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm"), _multiplied),
    **dict.fromkeys(("select", "unbind"), _selected),
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split", "unsafe_chunk"), _split),
    **dict.fromkeys(("transpose", "t"), _transposed),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    "cat": _concatenated,
    "channel_shuffle": _shuffled_channels,
    "constant_pad_nd": _padded,
    "convolution": _convolved,
    "embedding": _embedded,
    "expand": _expanded,
    "glu": _halved,
    "native_group_norm": _group_norm,
    "native_layer_norm": _layer_norm,
    "permute": _permuted,
    "pixel_shuffle": _pixels_shuffled,
    "pixel_unshuffle": _pixels_unshuffled,
    "slice": _sliced,
    "stack": _stacked,
}
_FAMILIES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"_?(adaptive_)?(max|avg)_pool[123]d(_with_indices)?$"), _resampled),
    (re.compile(r"(reflection|replication)_pad[123]d$"), _resampled),
    (re.compile(r"_?upsample_\w*[123]d(_aa)?$"), _resampled),
)
