"""The blocks of a pass and the tensors between them: every operator in one block, no edge missing.

A block is a call of a module some levels down, or a chain of operators that a module with blocks
inside runs itself. A tensor that one block makes and another reads is an edge, even if it is
read as a view of what was made, or was written in place in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from ucseg_cli.analysis.counting.module_tree import ancestry, path_depth
from ucseg_cli.facts.trace import Op, Trace

INPUT, OUTPUT = "input", "output"
MOST_BLOCKS = 26
"""Blocks that a diagram has at most, unless a depth is asked for."""

Shape = tuple[int, ...]


class Block(NamedTuple):
    """A box of the diagram.

    Args:
        path: of the module; *last* is that of the last of several equal ones.
        type: its class, the names of operators, or INPUT or OUTPUT.
        times: for how many equal blocks in a row it stands.
        taps: names of feature maps that come out of it.
        ops: the calls of the model in it, by index; of all that it stands for.
        beside: whether it is of operators beside the modules.
    """

    path: str
    last: str
    type: str
    times: int
    taps: tuple[str, ...]
    ops: tuple[int, ...]
    beside: bool = False


class Edge(NamedTuple):
    """A tensor from the block at *source* to the one at *target*, by index."""

    source: int
    target: int
    shape: Shape


@dataclass(frozen=True)
class Blocks:
    """Blocks in the order of running, the input first and the output last."""

    blocks: tuple[Block, ...]
    edges: tuple[Edge, ...]
    depth: int


def blocks_of(trace: Trace, depth: int | None = None) -> Blocks:
    """The blocks *depth* levels below the model; the deepest that are not too many if None."""
    if depth is not None:
        return _at_depth(trace, depth)
    deepest = max((path_depth(module.path) for module in trace.modules), default=1)
    found = _at_depth(trace, 1)
    for level in range(2, deepest + 1):
        deeper = _at_depth(trace, level)
        if len(deeper.blocks) > MOST_BLOCKS:
            break
        found = deeper
    return found


def _at_depth(trace: Trace, depth: int) -> Blocks:
    runs = list(_runs(trace, depth))
    inside = {op: number for number, run in enumerate(runs, 1) for op in run}
    last = len(runs) + 1
    edges = list(dict.fromkeys(_edges(trace, inside, last)))
    taps = _taps(trace, inside)
    blocks = [
        Block("", "", INPUT, 1, (), ()),
        *(_block(trace, run, depth, taps.get(number, ())) for number, run in enumerate(runs, 1)),
        Block("", "", OUTPUT, 1, (), ()),
    ]
    return _folded(trace, blocks, edges, depth)


def _runs(trace: Trace, depth: int) -> Iterator[tuple[int, ...]]:
    """The calls of the model that are one block, by index."""
    drawn = _drawn_paths(trace, depth)
    outermost = [index for index, op in enumerate(trace.ops) if op.parent is None]
    for path, group in groupby(outermost, key=lambda index: drawn[trace.ops[index].module]):
        run = tuple(group)
        if path is None:
            yield from _chains(trace, run)
        else:
            yield run


def _drawn_paths(trace: Trace, depth: int) -> list[str | None]:
    """By module, the path of the block that it is in; None if blocks are inside of it."""
    running = {trace.modules[op.module].path for op in trace.ops}
    holding = {""}.union(*(list(ancestry(path))[1:] for path in running if path))
    paths: list[str | None] = []
    for module in trace.modules:
        path = ".".join(module.path.split(".")[:depth])
        is_above = path_depth(module.path) < depth and module.path in holding
        paths.append(None if is_above or not module.path else path)
    return paths


def _chains(trace: Trace, run: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Operators of one module, those together that only go on with what the one before made."""
    chain: list[int] = []
    weights = weight_tensors(trace)
    for index in run:
        op = trace.ops[index]
        reads = {tensor for tensor in op.inputs if tensor is not None} - weights
        goes_on = chain and reads and reads <= set(trace.ops[chain[-1]].outputs)
        if chain and not (goes_on and op.module == trace.ops[chain[-1]].module):
            yield tuple(chain)
            chain = []
        chain.append(index)
    if chain:
        yield tuple(chain)


def weight_tensors(trace: Trace) -> set[int]:
    """Parameters and buffers, by index."""
    owned = (weight for module in trace.modules for weight in (*module.parameters, *module.buffers))
    return {weight.tensor for weight in owned}


def _edges(trace: Trace, inside: Mapping[int, int], last: int) -> Iterator[Edge]:
    """Every tensor from its maker, and from who has written into it since, to its reader."""
    makers = dict.fromkeys(trace.inputs, 0)
    writers: dict[int, int] = {}
    weights = weight_tensors(trace)
    for index, op in _outermost(trace):
        block = inside[index]
        for tensor in dict.fromkeys(op.inputs):
            if tensor is not None and tensor not in weights:
                yield from _from_makers(trace, tensor, block, makers, writers)
        for tensor in op.outputs:
            makers[tensor] = block
            if tensor in op.inputs:
                writers[trace.tensors[tensor].storage] = block
    for tensor in trace.outputs:
        yield from _from_makers(trace, tensor, last, makers, writers)


def _from_makers(
    trace: Trace, tensor: int, reader: int, makers: Mapping[int, int], writers: Mapping[int, int]
) -> Iterator[Edge]:
    known = {makers.get(tensor), writers.get(trace.tensors[tensor].storage)}
    for maker in sorted(one for one in known if one is not None and one != reader):
        yield Edge(maker, reader, trace.tensors[tensor].shape)


def _outermost(trace: Trace) -> Iterable[tuple[int, Op]]:
    return ((index, op) for index, op in enumerate(trace.ops) if op.parent is None)


def _taps(trace: Trace, inside: Mapping[int, int]) -> dict[int, tuple[str, ...]]:
    """The names of taps by the block in which the tapped module ran last."""
    found: dict[int, tuple[str, ...]] = {}
    for tap in trace.taps:
        ran = [
            number
            for op, number in inside.items()
            if _is_within(trace.modules[trace.ops[op].module].path, tap.module)
        ]
        if ran:
            found[max(ran)] = (*found.get(max(ran), ()), tap.name)
    return found


def _is_within(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}.")


def _block(trace: Trace, run: tuple[int, ...], depth: int, taps: tuple[str, ...]) -> Block:
    path = _drawn_paths(trace, depth)[trace.ops[run[0]].module]
    if path is not None:
        return Block(path, path, trace.by_path[path].type, 1, taps, run)
    holder = trace.modules[trace.ops[run[0]].module].path
    names = dict.fromkeys(trace.ops[index].name.strip("_") for index in run)
    return Block(holder, holder, ", ".join(names), 1, taps, run, beside=True)


def _folded(trace: Trace, blocks: Sequence[Block], edges: Sequence[Edge], depth: int) -> Blocks:
    """Blocks in a row as one, where each is equal and only goes on with the one before."""
    into = {
        number: [edge for edge in edges if edge.target == number] for number in range(len(blocks))
    }
    out = {
        number: [edge for edge in edges if edge.source == number] for number in range(len(blocks))
    }
    likeness = [_likeness(trace, block) for block in blocks]
    kept: list[Block] = []
    place: dict[int, int] = {}
    for number, block in enumerate(blocks):
        before = number - 1
        joins = (
            kept
            and block.ops
            and likeness[number] == likeness[before]
            and not kept[-1].taps
            and [edge.source for edge in into[number]] == [before]
            and [edge.target for edge in out[before]] == [number]
        )
        if joins:
            same = kept[-1]
            kept[-1] = same._replace(
                last=block.path, times=same.times + 1, taps=block.taps, ops=(*same.ops, *block.ops)
            )
        else:
            kept.append(block)
        place[number] = len(kept) - 1
    moved = (Edge(place[edge.source], place[edge.target], edge.shape) for edge in edges)
    across = dict.fromkeys(edge for edge in moved if edge.source != edge.target)
    return Blocks(tuple(kept), tuple(across), depth)


def _likeness(trace: Trace, block: Block) -> object:
    """Equal for blocks of one class that run the same operators on the same shapes."""

    def seen(op: Op) -> object:
        shapes = tuple(trace.shape(tensor) for tensor in (*op.inputs, *op.outputs))
        return op.name, shapes, tuple(sorted(map(repr, op.attributes.items())))

    return block.type, tuple(seen(trace.ops[index]) for index in block.ops)


def missing(trace: Trace, blocks: Blocks) -> list[str]:
    """The operators that are in no block or in two, and the edges that are not drawn.

    It goes over kernels and storages instead of calls and tensors, so that it fails where the
    drawing overlooks something.
    """
    inside: dict[int, int] = {}
    faults = []
    for number, block in enumerate(blocks.blocks):
        for index in block.ops:
            if index in inside:
                faults.append(f"operator {index} is in two blocks")
            inside[index] = number
    drawn = {(edge.source, edge.target) for edge in blocks.edges}
    weights = {trace.tensors[tensor].storage for tensor in weight_tensors(trace)}
    makers = {trace.tensors[tensor].storage: 0 for tensor in trace.inputs}
    views: dict[int, set[int]] = {}
    for index, op in _outermost(trace):
        for tensor in op.outputs:  # a dropout in eval mode gives its input on, and runs nothing
            views.setdefault(trace.tensors[tensor].storage, set()).add(inside.get(index, 0))
    for index, op in trace.kernels():
        whole = index if op.parent is None else op.parent
        if whole not in inside:
            faults.append(f"operator {index}, {op.name}, is in no block")
            continue
        reader = inside[whole]
        read = {trace.tensors[tensor].storage for tensor in op.inputs if tensor is not None}
        for storage in read - weights:
            maker = makers.get(storage, reader)
            if not _leads(maker, reader, drawn, views.get(storage, set())):
                faults.append(f"no edge from {maker} to {reader} for {op.name}")
        made = {trace.tensors[tensor].storage for tensor in op.outputs} - read
        written = {trace.tensors[tensor].storage for tensor in op.outputs if tensor in op.inputs}
        makers |= dict.fromkeys(made | written, reader)
    return faults


def _leads(maker: int, reader: int, drawn: set[tuple[int, int]], views: set[int]) -> bool:
    """Whether edges lead from one block to another, at most through *views* of what it made."""
    reached, waiting = {reader}, [reader]
    while waiting and maker not in reached:
        target = waiting.pop()
        before = {source for source, other in drawn if other == target} - reached
        reached |= before
        waiting += before & views
    return maker in reached
