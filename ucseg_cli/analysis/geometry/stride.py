"""The input pixels between neighbouring positions of a map, by following the operators."""

from __future__ import annotations

from fractions import Fraction

from ucseg_cli.analysis.geometry.grid import HEIGHT, WIDTH, Grid, grid_of_input, knows, places
from ucseg_cli.analysis.geometry.grid_rules import Call, grid_after
from ucseg_cli.analysis.geometry.operator_kinds import gives_another_shape
from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.facts.trace import Trace

Stride = tuple[Fraction, Fraction]
"""Along height and width."""


IMAGE = 4
"""The rank of an image: N×C×H×W."""


@once_per_trace
def strides(trace: Trace) -> dict[int, Stride]:
    """The stride of each tensor with the input's height and width among its axes, by index.

    A tensor has none where the path to it has no fixed grid: after global pooling, flattening, or
    an unknown operator. A combination of maps has the stride of the first of its size.
    """
    found = {tensor: places(grid) for tensor, grid in grids(trace).items()}
    return {
        tensor: (at[HEIGHT].step, at[WIDTH].step)
        for tensor, at in found.items()
        if {HEIGHT, WIDTH} <= at.keys()
    }


def whole_stride(stride: Stride | None) -> int | None:
    """The stride where it is one whole number along both axes."""
    if stride is None or stride[0] != stride[1] or stride[0].denominator != 1:
        return None
    return stride[0].numerator


@once_per_trace
def grids(trace: Trace) -> dict[int, Grid]:
    """The grid of each tensor that has one, relative to the first input image or video."""
    known = _of_inputs(trace)
    for _, op in trace.kernels():
        sources = [None if tensor is None else known.get(tensor) for tensor in op.inputs]
        for out in op.outputs if any(sources) else ():
            shape = trace.tensors[out].shape
            grid = None if gives_another_shape(op, shape) else grid_after(Call(op, shape, sources))
            if grid is None:
                known.pop(out, None)
            else:
                known[out] = grid
    return known


def is_image(trace: Trace, tensor: int | None) -> bool:
    """Whether its last two axes of four, and no others, are height and width."""
    grid = grids(trace).get(-1 if tensor is None else tensor, ())
    found = {name: place.position for name, place in places(grid).items()}
    return len(grid) == IMAGE and found == {HEIGHT: 2, WIDTH: 3} and not any(map(knows, grid[:2]))


def _of_inputs(trace: Trace) -> dict[int, Grid]:
    """The first image or video, and other inputs of its height and width."""
    given = ((tensor, trace.tensors[tensor].shape) for tensor in trace.inputs)
    maps = {
        tensor: (shape, grid)
        for tensor, shape in given
        if (grid := grid_of_input(shape)) is not None
    }
    sizes = [shape[-2:] for shape, _ in maps.values()]
    return {tensor: grid for tensor, (shape, grid) in maps.items() if shape[-2:] == sizes[0]}
