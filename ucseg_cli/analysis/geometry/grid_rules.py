"""The effect of each operator on the grid of its inputs; operators not listed lose it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import starmap
from typing import NamedTuple

from ucseg_cli.analysis.geometry.grid import (
    Axis,
    Grid,
    axis_length,
    knows,
    relength,
    reshape,
    unknown,
)
from ucseg_cli.analysis.geometry.operator_kinds import (
    ALONG_ONE_AXIS,
    MOVING,
    NORMS,
    PADDING,
    POINTWISE,
    PRODUCTS,
    REDUCTIONS,
    RESHAPING,
    plain_name,
)
from ucseg_cli.facts.trace import Op

SCALES = {1: ("scales",), 2: ("scales_h", "scales_w"), 3: ("scales_d", "scales_h", "scales_w")}


class Call(NamedTuple):
    """An operator, the shape of one of its outputs, and the known grids of its inputs."""

    op: Op
    shape: tuple[int, ...]
    sources: Sequence[Grid | None]

    @property
    def first(self) -> Grid:
        """The grid of the first input; without axes where it is not known."""
        return self.sources[0] or ()

    @property
    def dim(self) -> int:
        """The axis of the first input that its argument names."""
        return int(self.op.attributes.get("dim", 0)) % max(1, len(self.first))

    @property
    def spatial(self) -> int:
        """How many axes it acts along, from its name: 2 for ``avg_pool2d``."""
        match = re.search(r"([123])d", self.op.name)
        return int(match[1]) if match else 0


GridChange = Callable[[Call], Grid | None]


def grid_after(call: Call) -> Grid | None:
    """The grid of the output; None where it is unknown."""
    # An operator is looked up by its plain name first; a family is a pattern over several names.
    families = (rule for name, rule in _FAMILIES if name.match(call.op.name))
    rule = _RULES.get(plain_name(call.op)) or next(families, None)
    grid = rule(call) if rule else None
    # A grid in which no axis knows its place says no more than none at all; with another rank
    # than the output's, the operator did more than its rule says.
    return grid if grid and len(grid) == len(call.shape) and any(map(knows, grid)) else None


def _broadcast(call: Call) -> Grid:
    """Each axis, counted from the last, as the first input that has it with places."""
    rank = len(call.shape)
    return tuple(_aligned(call, place - rank, size) for place, size in enumerate(call.shape))


def _aligned(call: Call, place: int, length: int) -> Axis:
    axes = (grid[place] for grid in call.sources if grid is not None and len(grid) >= -place)
    same = (axis for axis in axes if axis_length(axis) == length and knows(axis))
    return next(same, unknown(length))


def _expanded(call: Call) -> Grid:
    return _broadcast(call._replace(sources=call.sources[:1]))


def _kept(call: Call) -> Grid | None:
    """The first input's axes, if there are as many; padding and splits change their lengths."""
    if len(call.first) != len(call.shape):
        return None
    return tuple(map(relength, call.first, call.shape))


def _sliced(call: Call) -> Grid | None:
    axes, at = list(call.first), call.dim
    if axes:
        axes[at] = relength(axes[at], call.shape[at], call.op.attributes.get("step", 1))
    return tuple(axes)


def _selected(call: Call) -> Grid:
    return tuple(axis for place, axis in enumerate(call.first) if place != call.dim)


def _reduced(call: Call) -> Grid:
    dims = call.op.attributes.get("dim", ())
    listed = dims if isinstance(dims, tuple) else (dims,)
    # Without dims an operator reduces all of them.
    gone = {dim % max(1, len(call.first)) for dim in listed} or set(range(len(call.first)))
    if len(call.shape) == len(call.first):
        return tuple(unknown(1) if place in gone else axis for place, axis in enumerate(call.first))
    return tuple(axis for place, axis in enumerate(call.first) if place not in gone)


def _permuted(call: Call) -> Grid | None:
    return tuple(call.first[place] for place in call.op.attributes["dims"]) if call.first else None


def _transposed(call: Call) -> Grid:
    one, other = call.op.attributes.get("dim0", 0), call.op.attributes.get("dim1", 1)
    axes = list(call.first)
    if len(axes) > 1:
        axes[one], axes[other] = axes[other], axes[one]
    return tuple(axes)


def _reshaped(call: Call) -> Grid | None:
    return reshape(call.first, call.shape) if call.first else None


def _concatenated(call: Call) -> Grid:
    at = call.op.attributes.get("dim", 0) % len(call.shape)
    axes = _broadcast(call)
    return (*axes[:at], unknown(call.shape[at]), *axes[at + 1 :])


def _stacked(call: Call) -> Grid:
    at, count = call.op.attributes.get("dim", 0) % len(call.shape), len(call.sources)
    # Every input gets the new axis first; then all have the output's rank and broadcast.
    wider = [grid and (*grid[:at], unknown(count), *grid[at:]) for grid in call.sources]
    return _broadcast(call._replace(sources=wider))


def _multiplied(call: Call) -> Grid:
    """Rows are the left matrix's, columns the right one's; an addend stands before both."""
    # The two matrices come last: addmm and baddbmm put their addend first.
    left, right = ((grid or ()) for grid in call.sources[-2:])
    batch, rows, columns = call.shape[:-2], call.shape[-2], call.shape[-1]
    return (
        *_broadcast(call._replace(shape=batch, sources=[left[:-2], right[:-2]])),
        left[-2] if left else unknown(rows),
        right[-1] if right else unknown(columns),
    )


# Along the last axes


def _convolved(call: Call) -> Grid | None:
    steps, spatial = call.op.attributes["stride"], len(call.shape) - 2
    by = [Fraction(steps[place % len(steps)]) for place in range(spatial)]
    # A transposed conv makes *stride* outputs of each input: it moves by the inverse.
    back = call.op.attributes.get("transposed")
    return _resampled(call, [1 / step for step in by] if back else by, channels=True)


def _pooled(call: Call) -> Grid | None:
    # torch writes an empty stride where pooling moves by its kernel.
    steps = call.op.attributes.get("stride") or call.op.attributes["kernel_size"]
    return _resampled(call, [steps[place % len(steps)] for place in range(call.spatial)])


def _pooled_to_size(call: Call) -> Grid | None:
    """A fixed step only if the map is cut into equal parts, and more than one."""

    def step(before: int, after: int) -> int | None:
        return before // after if after > 1 and before % after == 0 else None

    return _resampled(call, list(starmap(step, _lengths(call))))


def _unpooled(call: Call) -> Grid | None:
    def step(before: int, after: int) -> Fraction | None:
        return Fraction(before, after) if after % before == 0 else None

    return _resampled(call, list(starmap(step, _lengths(call))))


def _interpolated(call: Call) -> Grid | None:
    """By the factor given, else by the lengths; aligned corners shift places by less than one."""

    # A float factor such as 1/3 comes as its nearest binary number: take the simple ratio near it.
    def step(factor: float | None, lengths: tuple[int, int]) -> Fraction:
        return 1 / Fraction(factor).limit_denominator(1 << 16) if factor else Fraction(*lengths)

    factors = (call.op.attributes.get(scale) for scale in SCALES[call.spatial])
    return _resampled(call, list(map(step, factors, _lengths(call))))


def _shuffled(call: Call) -> Grid | None:
    return _resampled(call, [Fraction(1, call.op.attributes["upscale_factor"])] * 2, channels=True)


def _unshuffled(call: Call) -> Grid | None:
    return _resampled(call, [call.op.attributes["downscale_factor"]] * 2, channels=True)


def _lengths(call: Call) -> list[tuple[int, int]]:
    """Positions before and after along each axis that it acts on."""
    before = map(axis_length, call.first[-call.spatial :])
    return list(zip(before, call.shape[-call.spatial :], strict=bool(call.first)))


def _resampled(
    call: Call, steps: Sequence[Fraction | int | None], *, channels: bool = False
) -> Grid | None:
    """The last axes with other steps, None for no fixed one; new *channels* lose their places."""
    # *start* is where the resampled axes begin; the axis before them holds the channels.
    first, start = call.first, len(call.shape) - len(steps)
    if len(first) != len(call.shape):
        return None

    def stepped(axis: Axis, length: int, step: Fraction | int | None) -> Axis:
        return unknown(length) if step is None else relength(axis, length, step)

    before = (*first[: start - 1], unknown(call.shape[start - 1])) if channels else first[:start]
    return (*before, *map(stepped, first[start:], call.shape[start:], steps))


_RULES: dict[str, GridChange] = {
    **dict.fromkeys(POINTWISE, _broadcast),
    **dict.fromkeys(NORMS | ALONG_ONE_AXIS | MOVING | PADDING, _kept),
    **dict.fromkeys(RESHAPING, _reshaped),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split", "unsafe_chunk"), _kept),
    **dict.fromkeys(("select", "unbind"), _selected),
    **dict.fromkeys(("expand", "repeat"), _expanded),
    **dict.fromkeys(("transpose", "t"), _transposed),
    **dict.fromkeys(PRODUCTS, _multiplied),
    "as_strided": _kept,
    "cat": _concatenated,
    "convolution": _convolved,
    "permute": _permuted,
    "pixel_shuffle": _shuffled,
    "pixel_unshuffle": _unshuffled,
    "slice": _sliced,
    "stack": _stacked,
}
_FAMILIES: tuple[tuple[re.Pattern[str], GridChange], ...] = (
    (re.compile(r"(max|avg)_pool[123]d(_with_indices)?$"), _pooled),
    (re.compile(r"_?adaptive_(max|avg)_pool[123]d$"), _pooled_to_size),
    (re.compile(r"max_unpool[23]d$"), _unpooled),
    (re.compile(r"_?upsample_\w*[123]d(_aa)?$"), _interpolated),
)
