"""Counting conventions: small tables from operator to price.

The same forward pass has a different figure in every tool because each prices other operators, in another unit, at
another level. A convention says all three, so that a figure can be held against the tool that it is named after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.einsum import einsum_cost
from ucseg_cli.errors import UnknownNameError
from ucseg_cli.facts.trace import Op, Trace

Cost = Callable[[Trace, Op], int]


class Level(Enum):
    """Which operators a convention looks at."""

    CALLS = auto()
    """Those the model called, composites whole, as a torch.jit trace shows them; only convolutions are taken apart."""
    KERNELS = auto()
    """Those that compute something themselves, as torch's dispatcher runs them."""


class Price(NamedTuple):
    """What one call of an operator costs, and the name under which it is summed."""

    label: str
    cost: Cost


class Convention(NamedTuple):
    """A table of prices.

    Args:
        name: as in ``--convention NAME``.
        title: a heading for the figure.
        noun: what is counted, in a sentence.
        unit: what one unit is.
        meaning: what it prices and what it equals.
        level: which operators it looks at.
        prices: price by operator name.
    """

    name: str
    title: str
    noun: str
    unit: str
    meaning: str
    level: Level
    prices: Mapping[str, Price]


def conv_macs(trace: Trace, op: Op) -> int:
    """Batch × weights × positions; positions are the output's, for a transposed conv the input's. No bias."""
    x, weight = op.inputs[:2]
    placed = x if op.attributes["transposed"] else op.outputs[0]
    return _shape(trace, x)[0] * prod(_shape(trace, weight)) * prod(_shape(trace, placed)[2:])


def matmul_macs(first: int) -> Cost:
    """Rows × inner × columns, for every matrix of a batch; *first* is the position of the left operand.

    A vector on the right is one column.
    """

    def cost(trace: Trace, op: Op) -> int:
        right = _shape(trace, op.inputs[first + 1])
        return prod(_shape(trace, op.inputs[first])) * (right[-1] if len(right) > 1 else 1)

    return cost


def _doubled(cost: Cost) -> Cost:
    return lambda trace, op: 2 * cost(trace, op)


def _linear(trace: Trace, op: Op) -> int:
    return prod(_shape(trace, op.inputs[0])) * _shape(trace, op.inputs[1])[0]


def _cell(weights: int) -> Cost:
    """The two matmuls of a recurrent cell, of its input and of its state; *weights* is the position of the first weight."""

    def cost(trace: Trace, op: Op) -> int:
        pairs = ((op.inputs[0], op.inputs[weights]), (op.inputs[1], op.inputs[weights + 1]))
        return sum(prod(_shape(trace, x)) * _shape(trace, weight)[0] for x, weight in pairs)

    return cost


def _per_input(count: int) -> Cost:
    return lambda trace, op: count * prod(_shape(trace, op.inputs[0]))


def _per_output(count: int) -> Cost:
    return lambda trace, op: count * prod(_shape(trace, op.outputs[0]))


def _norm(affine: int) -> Cost:
    """5 per element with an affine weight, 4 without: fvcore's estimate for statistics that are computed."""
    return lambda trace, op: _per_input(4 if op.inputs[affine] is None else 5)(trace, op)


def _batch_norm(trace: Trace, op: Op) -> int:
    """In eval one multiplication and one addition per element, half of it without an affine weight."""
    if op.attributes.get("training"):
        return _norm(1)(trace, op)
    return _per_input(1 if op.inputs[1] is None else 2)(trace, op)


def attention_macs(trace: Trace, op: Op) -> int:
    """Queries times keys and weights times values, for every head; a mask saves nothing."""
    query, key, value = (_shape(trace, tensor) for tensor in op.inputs[:3])
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _einsum(trace: Trace, op: Op) -> int:
    return einsum_cost(op.attributes["equation"], [_shape(trace, tensor) for tensor in op.inputs])


def _shape(trace: Trace, tensor: int | None) -> tuple[int, ...]:
    return trace.shape(tensor) or ()


ATTENTION = tuple(
    f"_scaled_dot_product_{kind}_attention" for kind in ("flash", "efficient", "cudnn")
)
"""Kernels that stand for a whole attention. Recording takes it apart; a model may still call one by its own name."""

_MACS = {
    "convolution": Price("conv", conv_macs),
    "mm": Price("mm", matmul_macs(0)),
    "addmm": Price("addmm", matmul_macs(1)),
    "bmm": Price("bmm", matmul_macs(0)),
    "baddbmm": Price("baddbmm", matmul_macs(1)),
    "_scaled_mm": Price("_scaled_mm", matmul_macs(0)),
    **{name: Price(name, attention_macs) for name in ATTENTION},
}

CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            name="fvcore",
            title="FLOPs (fvcore)",
            noun="fvcore FLOPs",
            unit="1 per multiply-add",
            meaning="Equals fvcore's FlopCountAnalysis: conv and matmul 1 per multiply-add, batch norm 2 per element, "
            "bilinear upsampling 4 per output element, adaptive average pooling 1 per input element.",
            level=Level.CALLS,
            prices={
                "convolution": Price("conv", conv_macs),
                "linear": Price("linear", _linear),
                "lstm_cell": Price("linear", _cell(3)),
                "gru_cell": Price("linear", _cell(2)),
                "rnn_tanh_cell": Price("linear", _cell(2)),
                "rnn_relu_cell": Price("linear", _cell(2)),
                "addmm": Price("addmm", matmul_macs(1)),
                "mm": Price("mm", matmul_macs(0)),
                "bmm": Price("bmm", matmul_macs(0)),
                "matmul": Price("matmul", matmul_macs(0)),
                "einsum": Price("einsum", _einsum),
                "batch_norm": Price("batch_norm", _batch_norm),
                "group_norm": Price("group_norm", _norm(1)),
                "layer_norm": Price("layer_norm", _norm(1)),
                "instance_norm": Price("instance_norm", _norm(1)),
                "upsample_nearest2d": Price("upsample_nearest2d", _per_output(1)),
                "upsample_bilinear2d": Price("upsample_bilinear2d", _per_output(4)),
                "adaptive_avg_pool2d": Price("adaptive_avg_pool2d", _per_input(1)),
                "grid_sampler": Price("grid_sampler", _per_output(4)),
            },
        ),
        Convention(
            name="macs",
            title="MACs",
            noun="MACs",
            unit="multiply-accumulates",
            meaning="Multiply-accumulates of conv and matmul only: the figure that papers print.",
            level=Level.KERNELS,
            prices=_MACS,
        ),
        Convention(
            name="torch",
            title="FLOPs (torch)",
            noun="torch FLOPs",
            unit="2 per multiply-add",
            meaning="Equals torch.utils.flop_counter.FlopCounterMode: conv and matmul, 2 per multiply-add.",
            level=Level.KERNELS,
            prices={
                name: Price(price.label, _doubled(price.cost)) for name, price in _MACS.items()
            },
        ),
    )
}


def find_convention(name: str) -> Convention:
    """The convention of that name; raises UnknownNameError with the nearest one."""
    if name not in CONVENTIONS:
        raise UnknownNameError("convention", name, CONVENTIONS, where=f"--convention {name}")
    return CONVENTIONS[name]
