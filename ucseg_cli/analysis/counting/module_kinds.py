"""The kind of work that a module does itself, by the operators that it runs."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from ucseg_cli.analysis.counting.conventions import shape
from ucseg_cli.analysis.geometry.operator_kinds import NORMS, POINTWISE, PRODUCTS, plain_name
from ucseg_cli.facts.trace import Module, Op, Trace

MORE_PRODUCTS = PRODUCTS | {
    "linear",
    "matmul",
    "scaled_dot_product_attention",
    "lstm",
    "gru",
    "rnn_tanh",
    "rnn_relu",
    "embedding",
}
RESIZES = ("upsample", "pool", "interpolate", "grid_sampler", "pixel_shuffle")
"""Parts of the names of operators that make a map of another size."""
CONVS = {"convolution", "conv1d", "conv2d", "conv3d", "_convolution"}


class ModuleKind(Enum):
    """A module counts as one of these; of several the first in this order."""

    CONV = "conv"
    CONV_1X1 = "1×1 conv"
    GROUPED_CONV = "grouped conv"
    PRODUCT = "matrix product"
    NORM = "norm"
    RESIZE = "pool, resize"
    POINTWISE = "elementwise"
    OTHER = "other"


ORDER = {kind: place for place, kind in enumerate(ModuleKind)}


def kinds_of_modules(trace: Trace) -> dict[str, ModuleKind]:
    """The kind of each module's own work, by path; of one that did not run by its weights."""
    found: dict[int, ModuleKind] = {}
    for _, op in trace.kernels():
        kind = _kind_of_op(trace, op)
        found[op.module] = min(found.get(op.module, kind), kind, key=ORDER.__getitem__)
    return {
        module.path: found.get(index) or _kind_of_weights(trace, module)
        for index, module in enumerate(trace.modules)
    }


def _kind_of_op(trace: Trace, op: Op) -> ModuleKind:
    name = plain_name(op)
    if name in CONVS:
        if op.attributes.get("groups", 1) != 1:
            return ModuleKind.GROUPED_CONV
        return _kind_of_kernel(shape(trace, op.inputs[1]))
    if name in MORE_PRODUCTS:
        return ModuleKind.PRODUCT
    if name in NORMS:
        return ModuleKind.NORM
    if any(part in name for part in RESIZES):
        return ModuleKind.RESIZE
    return ModuleKind.POINTWISE if name in POINTWISE else ModuleKind.OTHER


def _kind_of_kernel(sides: tuple[int, ...]) -> ModuleKind:
    return ModuleKind.CONV_1X1 if set(sides[2:]) == {1} else ModuleKind.CONV


def _kind_of_weights(trace: Trace, module: Module) -> ModuleKind:
    """By the largest number of axes that one of its weights has."""
    shapes = list(_shapes(trace, module))
    most = max(shapes, key=len, default=())
    if len(most) > len("OI"):
        grouped = most[1] == 1
        return ModuleKind.GROUPED_CONV if grouped else _kind_of_kernel(most)
    by_axes = {2: ModuleKind.PRODUCT, 1: ModuleKind.NORM}
    return by_axes.get(len(most), ModuleKind.OTHER)


def _shapes(trace: Trace, module: Module) -> Iterator[tuple[int, ...]]:
    for weight in module.parameters:
        yield trace.tensors[weight.tensor].shape
