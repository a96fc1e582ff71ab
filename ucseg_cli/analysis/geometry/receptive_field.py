"""Which input pixels a position of a feature map can see, and through which modules it sees all of them."""

from __future__ import annotations

from collections.abc import Iterable
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
from ucseg_cli.analysis.geometry.span import ITSELF, Field, hull, through
from ucseg_cli.analysis.geometry.stride import IMAGE, Stride, grids, is_image, strides
from ucseg_cli.analysis.geometry.tap_shapes import Output, tap_outputs
from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.facts.trace import Op, Tap, Trace


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
    """Of each tensor of the named maps that was produced, in order.

    Composes what each operator reads of its input, as in Araujo, Norris and Sim, "Computing Receptive Fields of
    Convolutional Neural Networks" (Distill, 2019), exactly: positions stay integers, unions keep both ends.
    """
    steps, known, live = strides(trace), sights(trace), sights(trace, live_taps_only=True)
    return tuple(
        _receptive_field(
            trace,
            output,
            steps.get(output.tensor),
            known.get(output.tensor),
            live.get(output.tensor),
        )
        for output in tap_outputs(trace, maps)
        if output.tensor is not None
    )


def _receptive_field(
    trace: Trace, output: Output, stride: Stride | None, sight: Sight | None, live: Sight | None
) -> ReceptiveField:
    sight = sight or Sight(None)
    context = sight.context if sight.pool is None else sight.context | {sight.pool}
    through = tuple(trace.modules[module].path for module in sorted(context))
    return ReceptiveField(
        output.name, output.module, stride, _size(sight), _size(live or Sight(None)), through
    )


def _size(sight: Sight) -> tuple[int, int] | None:
    return (sight.field[0].size, sight.field[1].size) if sight.field else None


def sights(trace: Trace, *, live_taps_only: bool = False) -> dict[int, Sight | None]:
    """What each tensor that depends on the image sees of it; None where an operator on the way is not known here.

    With *live_taps_only*, without the taps of convolutions that read padding at every position of their map.
    """
    return _sights_of_live_taps(trace) if live_taps_only else _sights_of_all_taps(trace)


@once_per_trace
def _sights_of_all_taps(trace: Trace) -> dict[int, Sight | None]:
    return _sights(trace, live_taps_only=False)


@once_per_trace
def _sights_of_live_taps(trace: Trace) -> dict[int, Sight | None]:
    return _sights(trace, live_taps_only=True)


def _sights(trace: Trace, *, live_taps_only: bool) -> dict[int, Sight | None]:
    images = (
        tensor
        for tensor in trace.inputs
        if tensor in grids(trace) and len(trace.tensors[tensor].shape) == IMAGE
    )
    known: dict[int, Sight | None] = dict.fromkeys(images, Sight((ITSELF, ITSELF)))
    sharing = _by_storage(trace)
    for _, op in trace.kernels():
        if any(tensor in known for tensor in op.inputs):
            sight = _sight(trace, op, known, live_taps_only=live_taps_only)
            for out in op.outputs:
                if out in op.inputs and (out not in known or known[out] != sight):
                    # Other views of what is written into are no longer what they were, in part.
                    known.update(dict.fromkeys(sharing[trace.tensors[out].storage]))
                known[out] = sight
    return known


def _by_storage(trace: Trace) -> dict[int, list[int]]:
    sharing: dict[int, list[int]] = {}
    for index, tensor in enumerate(trace.tensors):
        sharing.setdefault(tensor.storage, []).append(index)
    return sharing


def _sight(
    trace: Trace, op: Op, known: dict[int, Sight | None], *, live_taps_only: bool
) -> Sight | None:
    tensors = [tensor for tensor in op.inputs if tensor is not None and tensor in known]
    sources = [sight for tensor in tensors if (sight := known[tensor]) is not None]
    if len(sources) < len(tensors):
        return None
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
        seen = _seen_through_windows(trace, op, sources[0], context, live_taps_only=live_taps_only)
        return seen or _merged(trace, op, tensors, sources, context)
    return _merged(trace, op, tensors, sources, context)


def _seen_through_windows(
    trace: Trace, op: Op, source: Sight, context: frozenset[int], *, live_taps_only: bool
) -> Sight | None:
    """Through a convolution, pooling, padding or resampling; None for other operators, and where it is not known."""
    read = reading(trace, op, live_taps_only=live_taps_only)
    if read is None:
        return None
    if source.field is None:
        return Sight(None, context)
    if not is_image(trace, op.inputs[0]):
        return None
    down, across = map(through, source.field, read)
    return None if down is None or across is None else Sight((down, across), context)


def _merged(
    trace: Trace, op: Op, tensors: list[int], sources: list[Sight], context: frozenset[int]
) -> Sight | None:
    """Of several maps on one grid all that any of them sees; what was pooled and comes back is named by the operator's module."""
    maps = [
        (tensor, sight)
        for tensor, sight in zip(tensors, sources, strict=True)
        if sight.pool is None
    ]
    fields = [(tensor, sight.field) for tensor, sight in maps if sight.field is not None]
    if not _keeps_places(trace, op, [tensor for tensor, _ in fields]):
        return None
    back = {op.module} if len(maps) < len(sources) else set()
    if not fields:
        return Sight(None, context | back)
    down, across = (hull([field[axis] for _, field in fields]) for axis in (0, 1))
    return None if down is None or across is None else Sight((down, across), context | back)


def _keeps_places(trace: Trace, op: Op, maps: list[int]) -> bool:
    """Whether each position of the output is made of that same position of *maps* alone."""
    name = plain_name(op)
    if name in ALONG_ONE_AXIS:
        mixed = (
            [_axis(trace, op.inputs[0], op.attributes.get("dim", -1))] if name in WITH_AXIS else []
        )
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
    """Which of its axes, from the last, have places, and of how many digits each is: what must agree to be combined."""
    axes = enumerate(reversed(grids(trace)[tensor]))
    return tuple(
        (place, tuple(digit._replace(step=Fraction()) for digit in axis))
        for place, axis in axes
        if knows(axis)
    )


def _pools_globally(trace: Trace, op: Op) -> bool:
    """Whether each output is made of a whole map: a mean or maximum over height and width, or a product with all of it."""
    name, source = plain_name(op), op.inputs[-2] if op.name in PRODUCTS else op.inputs[0]
    shape, out = trace.shape(source) or (), (trace.shape(op.outputs[0]) or ()) if op.outputs else ()
    if "adaptive" in name:
        return len(shape) == IMAGE and out[2:] == (1, 1)
    if name not in REDUCTIONS | PRODUCTS:
        return False
    if source in grids(trace):
        return _extent(trace, source) is not None and op.outputs[0] not in grids(trace)
    dims = op.attributes.get("dim") or range(IMAGE)
    return (
        name in REDUCTIONS
        and len(shape) == IMAGE
        and {2, 3} <= {dim % IMAGE for dim in _several(dims)}
    )


def _uses_statistics(trace: Trace, op: Op) -> bool:
    """Whether it scales a map by its own mean and variance over places, which each position then depends on."""
    if op.name == "native_layer_norm":
        normalized = len(op.attributes["normalized_shape"])
        return any(map(knows, grids(trace).get(op.inputs[0] or 0, ())[-normalized:]))
    return op.name == "native_group_norm" or (
        op.name == "native_batch_norm" and bool(op.attributes.get("training"))
    )


def _extent(trace: Trace, tensor: int) -> tuple[int, int] | None:
    return extent(grids(trace).get(tensor, ()))


def _axis(trace: Trace, tensor: int | None, place: int) -> Axis:
    grid = grids(trace).get(-1 if tensor is None else tensor, ())
    return grid[place] if grid else ()


def _several(dims: int | Iterable[int]) -> Iterable[int]:
    return (dims,) if isinstance(dims, int) else dims
