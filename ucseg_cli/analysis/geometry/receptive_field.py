"""The input pixels that a position of a map can see, and modules through which it sees all."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.geometry.grid import Axis, extent, knows
from ucseg_cli.analysis.geometry.operator_kinds import (
    ALONG_ONE_AXIS,
    PLACE_KEEPING,
    PRODUCTS,
    REDUCTIONS,
    WITH_AXIS,
    plain_name,
)
from ucseg_cli.analysis.geometry.positions_read import reading
from ucseg_cli.analysis.geometry.span import (
    ITSELF,
    LONGEST_PERIOD,
    Field,
    PeriodTooLongError,
    Span,
    Spans,
    hull,
    most_read,
    through,
)
from ucseg_cli.analysis.geometry.stride import IMAGE, Stride, grids, is_image, strides
from ucseg_cli.analysis.geometry.tap_shapes import Output, tap_outputs
from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.facts.trace import Op, Tap, Trace


class Unknown(Enum):
    """Why it is unknown what a tensor depends on."""

    OPERATOR = "behind an operator that is not followed here"
    PERIOD = f"behind resizings whose pattern is longer than {LONGEST_PERIOD:,} positions"


class Sight(NamedTuple):
    """The part of the input that a tensor depends on.

    Args:
        field: by position; None where every position sees the same, as after global pooling.
        context: modules, by index, through which it also sees the whole input.
        pool: the module that pooled it, until it is brought back to a map.
    """

    field: Field | None
    context: frozenset[int] = frozenset()
    pool: int | None = None


class ReceptiveField(NamedTuple):
    """The pixels that a position of a named map sees.

    Args:
        name: of the map.
        module: whose output it is.
        stride: of the map, in pixels along height and width; None where it has no fixed grid.
        size: height and width in pixels on an input without borders, gates set aside; None where
            every position sees the same, or where it is unknown.
        live_size: the same without dead kernel positions; not more than *size*.
        global_context: the modules through which it also sees the whole input: squeeze-excite,
            image pooling.
        unknown: why the size is; None where it is known, or every position sees the same.
    """

    name: str
    module: str
    stride: Stride | None
    size: tuple[int, int] | None
    live_size: tuple[int, int] | None
    global_context: tuple[str, ...]
    unknown: Unknown | None = None


def receptive_fields(trace: Trace, maps: Iterable[Tap]) -> tuple[ReceptiveField, ...]:
    """The field of each tensor of the named maps that was produced, in order.

    Composes the intervals that operators read, as in Araujo, Norris and Sim, "Computing Receptive
    Fields of Convolutional Neural Networks" (Distill, 2019), exactly: positions stay integers,
    unions keep both ends.
    """
    outputs = tap_outputs(trace, maps)
    return tuple(
        _receptive_field(trace, output, output.tensor)
        for output in outputs
        if output.tensor is not None
    )


def live_sizes(trace: Trace, maps: Iterable[Tap]) -> tuple[tuple[int, int] | None, ...]:
    """The *live_size* of each of the same tensors, and nothing else of it."""
    tensors = (output.tensor for output in tap_outputs(trace, maps))
    return tuple(_live_size(trace, tensor) for tensor in tensors if tensor is not None)


def _live_size(trace: Trace, tensor: int) -> tuple[int, int] | None:
    return _size(trace, tensor, sights(trace, live_positions_only=True).get(tensor))


def _receptive_field(trace: Trace, output: Output, tensor: int) -> ReceptiveField:
    sight = sights(trace).get(tensor, Unknown.OPERATOR)
    context = frozenset[int]()
    if isinstance(sight, Sight):
        context = sight.context if sight.pool is None else sight.context | {sight.pool}
    return ReceptiveField(
        output.name,
        output.module,
        stride=strides(trace).get(tensor),
        size=_size(trace, tensor, sight),
        live_size=_live_size(trace, tensor),
        global_context=tuple(trace.modules[module].path for module in sorted(context)),
        unknown=sight if isinstance(sight, Unknown) else None,
    )


def _size(trace: Trace, tensor: int, sight: Sight | Unknown | None) -> tuple[int, int] | None:
    """The most that any position of the map sees along each axis."""
    positions = _extent(trace, tensor)
    if not isinstance(sight, Sight) or sight.field is None or positions is None:
        return None
    down, across = map(most_read, sight.field, positions)
    return down, across


def sights(trace: Trace, *, live_positions_only: bool = False) -> dict[int, Sight | Unknown]:
    """The sight of each tensor that depends on the image; Unknown says why not.

    With *live_positions_only*, without the dead positions of kernels, which only read padding.
    """
    return (
        _sights_through_live_positions(trace)
        if live_positions_only
        else _sights_through_all_positions(trace)
    )


@once_per_trace
def _sights_through_all_positions(trace: Trace) -> dict[int, Sight | Unknown]:
    return _sights(trace, live_positions_only=False)


@once_per_trace
def _sights_through_live_positions(trace: Trace) -> dict[int, Sight | Unknown]:
    return _sights(trace, live_positions_only=True)


def _sights(trace: Trace, *, live_positions_only: bool) -> dict[int, Sight | Unknown]:
    given = (tensor for tensor in trace.inputs if tensor in grids(trace))
    images = (tensor for tensor in given if len(trace.tensors[tensor].shape) == IMAGE)
    known: dict[int, Sight | Unknown] = dict.fromkeys(images, Sight(((ITSELF,), (ITSELF,))))
    sharing = _by_storage(trace)
    for _, op in trace.kernels():
        if any(tensor in known for tensor in op.inputs):
            try:
                sight = _sight(trace, op, known, live_positions_only=live_positions_only)
            except PeriodTooLongError:
                sight = Unknown.PERIOD
            for out in op.outputs:
                if out in op.inputs and (out not in known or known[out] != sight):
                    # A write in place changes every other view of the same storage, in part.
                    shared = sharing[trace.tensors[out].storage]
                    known.update(dict.fromkeys(shared, Unknown.OPERATOR))
                known[out] = sight
    return known


def _by_storage(trace: Trace) -> dict[int, list[int]]:
    sharing: dict[int, list[int]] = {}
    for index, tensor in enumerate(trace.tensors):
        sharing.setdefault(tensor.storage, []).append(index)
    return sharing


def _sight(
    trace: Trace, op: Op, known: dict[int, Sight | Unknown], *, live_positions_only: bool
) -> Sight | Unknown:
    tensors = [tensor for tensor in op.inputs if tensor is not None and tensor in known]
    sources = [sight for tensor in tensors if isinstance(sight := known[tensor], Sight)]
    if len(sources) < len(tensors):
        return next(sight for tensor in tensors if isinstance(sight := known[tensor], Unknown))
    context = frozenset[int]().union(*(source.context for source in sources))
    if _pools_globally(trace, op):
        return Sight(None, context, pool=op.module)
    if op.name.startswith("upsample_") and sources[0].pool is not None:
        return Sight(None, context | {op.module})
    if all(source.pool is not None for source in sources):
        return Sight(None, context, sources[0].pool)
    if _uses_statistics(trace, op):
        context |= {op.module}
    if op.inputs[0] == tensors[0] and all(source.pool is not None for source in sources[1:]):
        seen = _seen_through_windows(
            trace, op, sources[0], context, live_positions_only=live_positions_only
        )
        return seen or _merged(trace, op, tensors, sources, context)
    return _merged(trace, op, tensors, sources, context)


def _seen_through_windows(
    trace: Trace, op: Op, source: Sight, context: frozenset[int], *, live_positions_only: bool
) -> Sight | None:
    """Through a convolution, pooling, padding or resampling; None for others, or if unknown."""
    read = reading(trace, op, live_positions_only=live_positions_only)
    if read is None:
        return None
    if source.field is None:
        return Sight(None, context)
    if not is_image(trace, op.inputs[0]):
        return None
    down, across = map(_through, source.field, read)
    return Sight((down, across), context)


def _through(sources: Spans, window: Span) -> Spans:
    return hull(through(source, window) for source in sources)


def _merged(
    trace: Trace, op: Op, tensors: list[int], sources: list[Sight], context: frozenset[int]
) -> Sight | Unknown:
    """The hull of several maps on one grid; a pooled one joins them as context of this module."""
    pairs = zip(tensors, sources, strict=True)
    maps = [(tensor, sight) for tensor, sight in pairs if sight.pool is None]
    fields = [(tensor, sight.field) for tensor, sight in maps if sight.field is not None]
    if not _keeps_places(trace, op, [tensor for tensor, _ in fields]):
        return Unknown.OPERATOR
    back = {op.module} if len(maps) < len(sources) else set()
    if not fields:
        return Sight(None, context | back)
    down, across = (hull(span for _, field in fields for span in field[axis]) for axis in (0, 1))
    return Sight((down, across), context | back)


def _keeps_places(trace: Trace, op: Op, maps: list[int]) -> bool:
    """Whether each position of the output is made of that same position of *maps* alone."""
    name = plain_name(op)
    if name in ALONG_ONE_AXIS:
        dims = [op.attributes.get("dim", -1)] if name in WITH_AXIS else []
        mixed = [_axis(trace, op.inputs[0], dim) for dim in dims]
    elif name in PRODUCTS:
        mixed = [_axis(trace, op.inputs[-2], -1), _axis(trace, op.inputs[-1], -2)]
    elif name in PLACE_KEEPING:
        mixed = []
    else:
        return False
    after = _extent(trace, op.outputs[0]) if op.outputs else None
    stays = all(after is not None and _extent(trace, tensor) == after for tensor in maps)
    alike = len({_layout(trace, tensor) for tensor in maps}) < 2
    return stays and alike and not any(map(knows, mixed))


def _layout(trace: Trace, tensor: int) -> tuple[tuple[int, Axis], ...]:
    """Its axes with places, counted from the last, in digits: maps to combine must agree in it."""

    def without_steps(axis: Axis) -> Axis:
        return tuple(digit._replace(step=Fraction()) for digit in axis)

    axes = enumerate(reversed(grids(trace).get(tensor, ())))
    return tuple((place, without_steps(axis)) for place, axis in axes if knows(axis))


def _pools_globally(trace: Trace, op: Op) -> bool:
    """Whether each output depends on a whole map: a mean, a maximum or a product over it."""
    name = plain_name(op)
    source = op.inputs[-2] if op.name in PRODUCTS else op.inputs[0]
    shape = trace.shape(source) or ()
    out = (trace.shape(op.outputs[0]) or ()) if op.outputs else ()
    if "adaptive" in name:
        return len(shape) == IMAGE and out[2:] == (1, 1)
    if name not in REDUCTIONS | PRODUCTS:
        return False
    if source in grids(trace):
        return _extent(trace, source) is not None and grids(trace).keys().isdisjoint(op.outputs)
    if name not in REDUCTIONS or len(shape) != IMAGE:
        return False
    dims = op.attributes.get("dim") or range(IMAGE)
    listed = (dims,) if isinstance(dims, int) else dims
    return {2, 3} <= {dim % IMAGE for dim in listed}


def _uses_statistics(trace: Trace, op: Op) -> bool:
    """Whether it scales by mean and variance over places, so each position depends on all."""
    if op.name == "native_layer_norm":
        normalized = len(op.attributes["normalized_shape"])
        return any(map(knows, grids(trace).get(op.inputs[0] or 0, ())[-normalized:]))
    in_training = op.name == "native_batch_norm" and bool(op.attributes.get("training"))
    return in_training or op.name == "native_group_norm"


def _extent(trace: Trace, tensor: int) -> tuple[int, int] | None:
    return extent(grids(trace).get(tensor, ()))


def _axis(trace: Trace, tensor: int | None, place: int) -> Axis:
    grid = grids(trace).get(-1 if tensor is None else tensor, ())
    return grid[place] if grid else ()
