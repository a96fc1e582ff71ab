"""Counting conventions: small tables from operator to price.

Each tool prices other operators, in another unit, at another level, so one forward pass has many
figures. A convention states all three, so its figure compares with the tool it is named after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.einsum import einsum_cost
from ucseg_cli.facts.trace import Op, Trace

Cost = Callable[[Trace, Op], int]
"""The price of one call of an operator."""

BILINEAR_PRICE = 4
"""The price that fvcore has for an output element of a bilinear upsampling or grid sampling."""


class Level(Enum):
    """Which operators a convention looks at."""

    CALLS = auto()
    """The model's calls as torch.jit traces them: composites whole, except for convolutions."""
    KERNELS = auto()
    """The operators that compute something themselves, as torch's dispatcher runs them."""


class Convention(NamedTuple):
    """A table of prices.

    Args:
        name: as in ``--convention NAME``.
        title: a heading for the figure.
        noun: what is counted, in a sentence.
        unit: what one unit is.
        meaning: what it prices and what it equals.
        level: which operators it looks at.
        prices: the price of a call, by operator name.
    """

    name: str
    title: str
    noun: str
    unit: str
    meaning: str
    level: Level
    prices: Mapping[str, Cost]


def shape(trace: Trace, tensor: int | None) -> tuple[int, ...]:
    """The shape of a tensor by index; empty for one left out."""
    return trace.shape(tensor) or ()


def elements_in(trace: Trace, op: Op) -> int:
    """Elements of the first input."""
    return prod(shape(trace, op.inputs[0]))


def elements_out(trace: Trace, op: Op) -> int:
    """Elements of the first output."""
    return prod(shape(trace, op.outputs[0]))


def conv_macs(trace: Trace, op: Op) -> int:
    """Batch × weights × positions, without the bias.

    Positions are the output's, for a transposed conv the input's.
    """
    x, weight = op.inputs[:2]
    placed = x if op.attributes["transposed"] else op.outputs[0]
    return shape(trace, x)[0] * prod(shape(trace, weight)) * prod(shape(trace, placed)[2:])


def matmul_macs(trace: Trace, op: Op) -> int:
    """Rows × inner × columns, for every matrix of a batch; a vector on the right is one column."""
    added = op.name.startswith(("add", "badd"))  # their first operand is added to the product
    left, right = (shape(trace, tensor) for tensor in op.inputs[added : added + 2])
    return prod(left) * (right[-1] if len(right) > 1 else 1)


def grouped_macs(trace: Trace, op: Op) -> int:
    """Rows × inner × columns of a product in groups: each row meets the matrix of its group alone.

    With a matrix for each group on the left only, the groups are columns of the right one.
    """
    left, right = (shape(trace, tensor) for tensor in op.inputs[:2])
    rows = left[1:] if (len(left), len(right)) == (3, 2) else left
    return prod(rows) * right[-1]


def outer_macs(trace: Trace, op: Op) -> int:
    """Each element of one vector times each of the other; an addend stands before them."""
    one, other = (shape(trace, tensor) for tensor in op.inputs[-2:])
    return prod(one) * prod(other)


def attention_macs(trace: Trace, op: Op) -> int:
    """Queries times keys and weights times values, for every head; a mask saves nothing."""
    query, key, value = (shape(trace, tensor) for tensor in op.inputs[:3])
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def conv_backward_macs(trace: Trace, op: Op) -> int:
    """Each gradient that is wanted, of input and weight, takes as many as the forward pass did.

    Every product of an input and a weight is an output's term, and a term of both gradients.
    """
    wanted: int = sum(op.attributes["output_mask"][:2])
    return _forward_macs(trace, op) * wanted


def _forward_macs(trace: Trace, backward: Op) -> int:
    """The cost of the convolution whose gradients these are."""
    gradient, x, weight = backward.inputs[:3]
    placed = x if backward.attributes["transposed"] else gradient
    return shape(trace, x)[0] * prod(shape(trace, weight)) * prod(shape(trace, placed)[2:])


def _conv_backward_flops(trace: Trace, op: Op) -> int:
    """As FlopCounterMode counts: the weight's gradient as if without groups, so too many times."""
    of_input, of_weight, _ = map(int, op.attributes["output_mask"])
    groups: int = op.attributes["groups"]
    return 2 * _forward_macs(trace, op) * (of_input + groups * of_weight)


def attention_backward_macs(trace: Trace, op: Op) -> int:
    """Each of the two products has two gradients, and each of these takes as many as it did."""
    query, key, value = (shape(trace, tensor) for tensor in op.inputs[1:4])
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _doubled(cost: Cost) -> Cost:
    return lambda trace, op: 2 * cost(trace, op)


def _bilinear(trace: Trace, op: Op) -> int:
    return BILINEAR_PRICE * elements_out(trace, op)


def _linear(trace: Trace, op: Op) -> int:
    return elements_in(trace, op) * shape(trace, op.inputs[1])[0]


def _recurrent_cell(trace: Trace, op: Op) -> int:
    """The two matmuls of a recurrent cell, of its input and of its state."""
    return sum(prod(given) * weight[0] for given, weight in _cell_matmuls(trace, op))


def _cell_outputs(trace: Trace, op: Op) -> int:
    """Elements of the outputs of these two."""
    return sum(prod(given[:-1]) * weight[0] for given, weight in _cell_matmuls(trace, op))


def _cell_matmuls(trace: Trace, op: Op) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The shapes that a recurrent cell multiplies: of its input and of its state, each by weights.

    A state of two tensors stands before the weights of an LSTM.
    """
    first = 3 if op.name == "lstm_cell" else 2
    pairs = zip(op.inputs[:2], op.inputs[first : first + 2], strict=True)
    return [(shape(trace, given), shape(trace, weight)) for given, weight in pairs]


def _norm(trace: Trace, op: Op) -> int:
    """The estimate of fvcore where statistics are computed."""
    return (4 if op.inputs[1] is None else 5) * elements_in(trace, op)


def _batch_norm(trace: Trace, op: Op) -> int:
    """In eval a multiplication and an addition per element, half of it without an affine weight."""
    if op.attributes.get("training"):
        return _norm(trace, op)
    return (1 if op.inputs[1] is None else 2) * elements_in(trace, op)


def _einsum(trace: Trace, op: Op) -> int:
    return einsum_cost(op.attributes["equation"], [shape(trace, tensor) for tensor in op.inputs])


ATTENTION = tuple(
    f"_scaled_dot_product_{kind}_attention" for kind in ("flash", "efficient", "cudnn")
)
"""Kernels that compute a whole attention. Recording avoids them; a model may still call them."""

CPU_ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"
"""The kernel of a training step on the CPU; priced as the products that it is made of elsewhere."""
CELLS = ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")

_TORCH: dict[str, Cost] = {
    "convolution": conv_macs,
    "convolution_backward": conv_backward_macs,
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "_scaled_mm"), matmul_macs),
    **dict.fromkeys((*ATTENTION, CPU_ATTENTION), attention_macs),
    f"{CPU_ATTENTION}_backward": attention_backward_macs,
}
_MACS: dict[str, Cost] = {
    **_TORCH,
    **dict.fromkeys(("mv", "addmv", "dot", "vdot", "addbmm"), matmul_macs),
    **dict.fromkeys(("_grouped_mm", "_scaled_grouped_mm"), grouped_macs),
    "addr": outer_macs,
}
"""Every product; FlopCounterMode misses those with a vector, and those in groups."""
_FVCORE: dict[str, Cost] = {
    "convolution": conv_macs,
    "linear": _linear,
    **dict.fromkeys(CELLS, _recurrent_cell),
    **dict.fromkeys(("addmm", "mm", "bmm", "matmul"), matmul_macs),
    "einsum": _einsum,
    "batch_norm": _batch_norm,
    **dict.fromkeys(("group_norm", "layer_norm", "instance_norm"), _norm),
    "upsample_nearest2d": elements_out,
    "upsample_bilinear2d": _bilinear,
    "adaptive_avg_pool2d": elements_in,
    "grid_sampler": _bilinear,
}

_TABLES = (
    Convention(
        name="fvcore",
        title="FLOPs (fvcore)",
        noun="fvcore FLOPs",
        unit="1 per multiply-add",
        meaning="The prices of fvcore's FlopCountAnalysis, which `ucseg verify` runs: "
        "conv and matmul 1 per multiply-add, "
        f"batch norm 2 per element, bilinear upsampling {BILINEAR_PRICE} per output element, "
        "adaptive average pooling 1 per input element.",
        level=Level.CALLS,
        prices=_FVCORE,
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
        meaning="The prices of torch.utils.flop_counter.FlopCounterMode, which `ucseg verify` "
        "runs: conv and matmul, 2 per multiply-add.",
        level=Level.KERNELS,
        prices={
            **{name: _doubled(cost) for name, cost in _TORCH.items()},
            "convolution_backward": _conv_backward_flops,
        },
    ),
)
CONVENTIONS = {convention.name: convention for convention in _TABLES}

ACTIVATIONS = Convention(
    name="activations",
    title="activations (fvcore)",
    noun="activations",
    unit="elements",
    meaning="Elements of the outputs of convs and matmuls, as fvcore's ActivationCountAnalysis "
    "counts them.",
    level=Level.CALLS,
    prices={
        **dict.fromkeys(
            ("convolution", "linear", "addmm", "bmm", "matmul", "einsum"), elements_out
        ),
        **dict.fromkeys(CELLS, _cell_outputs),
    },
)
"""A table of prices like the conventions, but what it counts are not operations."""
PRICED = {**CONVENTIONS, ACTIVATIONS.name: ACTIVATIONS}


def tables_of(
    trace: Trace, tables: Mapping[str, Convention] = CONVENTIONS
) -> Mapping[str, Convention]:
    """Those that can count a trace: of a training step only the kernels are seen."""
    if trace.trained is None:
        return tables
    return {name: table for name, table in tables.items() if table.level is Level.KERNELS}


def price_label(operator: str) -> str:
    """The name under which fvcore sums an operator; most have their own."""
    if operator == "convolution":
        return "conv"
    return "linear" if operator.endswith("_cell") else operator
