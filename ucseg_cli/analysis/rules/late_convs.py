"""1×1 convs after a bilinear upsample, and the exact saving if they ran before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import BILINEAR_PRICE, CONVENTIONS, shape
from ucseg_cli.analysis.counting.operations import charges
from ucseg_cli.facts.choices import DEFAULT_CONVENTION
from ucseg_cli.facts.trace import Op, Trace

Sizes = tuple[tuple[int, ...], tuple[int, ...]]


class LateConv(NamedTuple):
    """A conv whose *calls* on maps of one size would give the same output on smaller ones.

    *saved* is the drop in fvcore's count of the whole network if all of them move.
    """

    module: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    calls: int
    saved: int


def late_convs(trace: Trace) -> Iterator[LateConv]:
    """Each conv that may move before an upsample, with all of its calls at the same sizes.

    A conv that runs twice on one map lets go of that map only if both calls move.
    """
    costs = {charge.op: charge.cost for charge in charges(trace, CONVENTIONS[DEFAULT_CONVENTION])}
    calls: dict[tuple[int, Sizes], list[int]] = {}
    makers = made_by(trace)
    for index, op in trace.kernels():
        upsample = makers.get(op.inputs[0] or 0) if _is_pointwise(trace, op) else None
        if upsample is not None and _may_follow(trace, upsample):
            sizes = _map_size(trace, upsample.inputs[0]), _map_size(trace, op.inputs[0])
            calls.setdefault((op.module, sizes), []).append(index)
    for (module, (before, after)), moved in calls.items():
        saved = _saved(trace, moved, costs, before, after)
        yield LateConv(module, before, after, len(moved), saved)


def made_by(trace: Trace) -> dict[int, Op]:
    """The operator that made each tensor."""
    return {tensor: op for _, op in trace.kernels() for tensor in op.outputs}


def _map_size(trace: Trace, tensor: int | None) -> tuple[int, ...]:
    """The sides of a map, without images and channels."""
    return (trace.shape(tensor) or ())[2:]


def _is_pointwise(trace: Trace, op: Op) -> bool:
    if op.name != "convolution" or op.attributes["transposed"]:
        return False
    ones = {*_map_size(trace, op.inputs[1]), *op.attributes["stride"]}
    return ones == {1} and set(op.attributes["padding"]) == {0}


def _may_follow(trace: Trace, maker: Op) -> bool:
    """Whether it is a bilinear upsample of which nothing is written to, even through a view."""
    made = {trace.tensors[tensor].storage for tensor in maker.outputs}
    written = (tensor for _, op in trace.kernels() for tensor in op.outputs if tensor in op.inputs)
    is_bilinear = maker.name.startswith("upsample_bilinear")
    return is_bilinear and all(trace.tensors[tensor].storage not in made for tensor in written)


def _saved(
    trace: Trace,
    moved: Sequence[int],
    costs: Mapping[int, int],
    before: Sequence[int],
    after: Sequence[int],
) -> int:
    """Products on the other positions, and the upsampling of the input less that of each output.

    fvcore does not see a conv whose padding is a word: it costs nothing there, before and after.
    """
    outputs = [trace.ops[index].outputs[0] for index in moved]
    sources = {trace.ops[index].inputs[0] or 0 for index in moved}
    let_go = [source for source in sources if not _is_read_elsewhere(trace, source, moved)]
    products = sum(costs.get(index, 0) for index in moved)
    elements = sum(prod(shape(trace, tensor)) for tensor in let_go)
    elements -= sum(prod(shape(trace, tensor)) for tensor in outputs)
    return products - products * prod(before) // prod(after) + BILINEAR_PRICE * elements


def _is_read_elsewhere(trace: Trace, source: int, moved: Sequence[int]) -> bool:
    """Whether a map has another reader, or is shown: then the upsampling to it stays."""
    readers = {index for index, op in trace.kernels() if source in op.inputs}
    tapped = (tensor for tap in trace.taps for tensor in trace.by_path[tap.module].outputs)
    return not readers.issubset(moved) or source in {*trace.outputs, *tapped}
