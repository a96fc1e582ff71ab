"""The blocks of a diagram: every operator in one of them, and no tensor between them is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.fixture_types import TraceOf
from ucseg_cli.analysis.diagram.diagram_blocks import INPUT, MOST_BLOCKS, OUTPUT, blocks_of, missing
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace
from ucseg_cli.references.variants import as_variant

every_depth = pytest.mark.parametrize("depth", [None, 1, 2, 3, 9])


def traced(trace_of: TraceOf, name: str = "v2") -> Trace:
    return trace_of(as_variant(name), Conditions())


@every_depth
@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_nothing_between_the_blocks_is_missing(
    trace_of: TraceOf, name: str, depth: int | None
) -> None:
    trace = traced(trace_of, name)
    blocks = blocks_of(trace, depth)
    assert missing(trace, blocks) == []
    inside = sorted(op for block in blocks.blocks for op in block.ops)
    assert inside == [index for index, op in enumerate(trace.ops) if op.parent is None]
    assert all(edge.source < edge.target for edge in blocks.edges)


def test_the_check_fails_for_an_edge_or_a_block_that_is_left_out(trace_of: TraceOf) -> None:
    trace = traced(trace_of)
    blocks = blocks_of(trace)
    # the last edge is that of the output, which no operator reads
    for number, edge in enumerate(blocks.edges[:-1]):
        others = (*blocks.edges[:number], *blocks.edges[number + 1 :])
        assert missing(trace, replace(blocks, edges=others)), edge
    fewer = replace(blocks, blocks=(*blocks.blocks[:3], *blocks.blocks[4:]))
    assert any("is in no block" in fault for fault in missing(trace, fewer))
    twice = replace(blocks, blocks=(*blocks.blocks, blocks.blocks[3]))
    assert any("is in two blocks" in fault for fault in missing(trace, twice))


def test_without_a_depth_it_is_as_deep_as_stays_readable(trace_of: TraceOf) -> None:
    blocks = blocks_of(traced(trace_of))
    assert blocks.depth == 2
    assert len(blocks.blocks) <= MOST_BLOCKS < len(blocks_of(traced(trace_of), 3).blocks)


def test_equal_blocks_in_a_row_are_one_and_taps_and_skips_are_kept(trace_of: TraceOf) -> None:
    blocks = blocks_of(traced(trace_of))
    by_path = {block.path: (number, block) for number, block in enumerate(blocks.blocks)}
    _, folded = by_path["features.5"]
    assert (folded.last, folded.times) == ("features.6", 2)
    place, low = by_path["features.3"]
    assert low.taps == ("mid",)
    readers = [blocks.blocks[edge.target].path for edge in blocks.edges if edge.source == place]
    assert readers == ["features.4", "mid_conv.0"]
    cats = [number for number, block in enumerate(blocks.blocks) if block.type == "cat"]
    join = cats[-1]
    assert len([edge for edge in blocks.edges if edge.target == join]) == 2


def test_ends_are_the_input_and_the_output(trace_of: TraceOf) -> None:
    blocks = blocks_of(traced(trace_of))
    assert (blocks.blocks[0].type, blocks.blocks[-1].type) == (INPUT, OUTPUT)
    assert blocks.edges[-1].shape == (1, 21, 224, 224)


# Small traces


def small(*ops: Op, storages: tuple[int, ...] = (0, 1, 2, 3)) -> Trace:
    modules = (Module("", "Net"), Module("a", "A"), Module("b", "B"))
    tensors = tuple(Tensor((1, 4), "float32", storage) for storage in storages)
    sizes, freed = (16,) * 4, (None,) * 4
    return Trace(modules, tensors, sizes, freed, ops, inputs=(0,), outputs=(3,))


def call(module: int, read: tuple[int, ...], made: int) -> Op:
    return Op("relu", module, read, (made,), {})


def pairs(trace: Trace) -> list[tuple[int, int]]:
    return [(edge.source, edge.target) for edge in blocks_of(trace, 1).edges]


def test_a_module_called_twice_with_another_between_is_two_blocks() -> None:
    trace = small(call(1, (0,), 1), call(2, (1,), 2), call(1, (2,), 3))
    assert [block.path for block in blocks_of(trace, 1).blocks] == ["", "a", "b", "a", ""]
    assert pairs(trace) == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_read_of_what_was_written_in_place_since_comes_from_both() -> None:
    # b writes into what a made, and the model reads it by the name that a gave it
    trace = small(call(1, (0,), 1), call(2, (1,), 1), call(0, (1,), 3))
    assert pairs(trace) == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_operators_of_the_model_that_go_on_with_each_other_are_one_block() -> None:
    trace = small(call(1, (0,), 1), call(0, (1,), 2), call(0, (2,), 3))
    assert [block.type for block in blocks_of(trace, 1).blocks] == [INPUT, "A", "relu", OUTPUT]
    joined = small(call(1, (0,), 1), call(0, (1,), 2), call(0, (2, 1), 3))
    assert [block.type for block in blocks_of(joined, 1).blocks][2:] == ["relu", "relu", OUTPUT]
