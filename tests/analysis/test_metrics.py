"""Metrics and conventions by name, and the tables that they are derived from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ucseg_cli.analysis.counters.peers import PEERS
from ucseg_cli.analysis.counting.conventions import (
    ATTENTION,
    BILINEAR_PRICE,
    CONVENTIONS,
    price_label,
)
from ucseg_cli.analysis.counting.metrics import (
    EVERY_METRIC,
    METRICS,
    OPERATIONS,
    SYNONYMS,
    find_metric,
    own_figures,
    totals,
)
from ucseg_cli.analysis.counting.module_tree import module_rows, partition
from ucseg_cli.analysis.counting.operations import (
    Uncounted,
    flops_by_operator,
    total_flops,
    uncounted,
)
from ucseg_cli.analysis.counting.parameters import known_metrics, own_params, total_params
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.facts.choices import CONVENTION_NAMES, DEFAULT_CONVENTION
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace, Weight
from ucseg_cli.references.variants import as_variant

Shapes = Sequence[tuple[int, ...]]


def net(*ops: Op, trainable: bool | None = True) -> Trace:
    """Operators on maps of 2×4×3×5 (0 and 1) and 2×4×6×10 (2); the child holds a weight (3)."""
    shapes = [(2, 4, 3, 5), (2, 4, 3, 5), (2, 4, 6, 10), (4,)]
    return Trace(
        modules=(Module("", "Net"), Module("child", "Layer", (Weight("weight", 3, trainable),))),
        tensors=tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes)),
        storages=tuple(4 * Tensor(shape, "", 0).numel for shape in shapes),
        freed=(None,) * len(shapes),
        ops=ops,
        inputs=(0,),
        outputs=(1,),
    )


def op(name: str, *inputs: int | None, module: int = 0, output: int = 1) -> Op:
    return Op(name, module, inputs, (output,), {})


def priced(operator: str, shapes: Shapes, convention: str = "macs", **attributes: Any) -> int:
    """The price of one call on tensors of these shapes, of which the last is its output."""
    tensors = tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes))
    *inputs, output = range(len(shapes))
    call = Op(operator, 0, tuple(inputs), (output,), attributes)
    trace = replace(net(call), tensors=tensors)
    return total_flops(trace)[convention]


def fvcore(*ops: Op) -> dict[str, int]:
    rows = flops_by_operator(net(*ops), CONVENTIONS["fvcore"])
    return {label: count for label, (_, count) in rows.items()}


# Names


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_found_by_its_name(name: str) -> None:
    assert find_metric(name, None) is METRICS[name]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("parameters", "params"),
        ("Params", "params"),
        ("peak-activations", "peak-memory"),
        ("peak_memory", "peak-memory"),
        ("size", "bytes"),
        ("weights", "bytes"),
        ("MACs", "macs"),
        ("fvcore-flops", "fvcore"),
        (" torch ", "torch"),
    ],
)
def test_a_metric_is_found_by_a_synonym_in_any_spelling(typed: str, name: str) -> None:
    assert find_metric(typed, None).name == name


def test_a_synonym_stands_for_one_metric_and_is_not_a_name_itself() -> None:
    assert set(SYNONYMS.values()) <= EVERY_METRIC.keys()
    assert not EVERY_METRIC.keys() & SYNONYMS.keys()
    assert not OPERATIONS & (SYNONYMS.keys() | EVERY_METRIC.keys())


@pytest.mark.parametrize("typed", ["flops", "FLOPs", "operations", "ops"])
def test_operations_are_ambiguous_and_the_choices_are_listed(typed: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_metric(typed, "--max flops=1M")
    assert caught.value.help == "which? fvcore, macs or torch"
    assert caught.value.where == "--max flops=1M"
    assert caught.value.what == f"'{typed}' could be any of several metrics"
    assert len(caught.value.notes) == len(CONVENTIONS)


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="no metric named 'parms'") as caught:
        find_metric("parms", "--max parms=1")
    assert caught.value.help == "did you mean 'params'?"
    assert caught.value.notes == (f"known: {', '.join(METRICS)}",)


def test_the_conventions_are_those_that_options_offer() -> None:
    assert tuple(CONVENTIONS) == CONVENTION_NAMES
    assert DEFAULT_CONVENTION in CONVENTIONS


# Prices


def test_the_price_of_bilinear_upsampling_is_the_one_that_every_text_names() -> None:
    assert fvcore(op("upsample_bilinear2d", 0, output=2)) == {
        "upsample_bilinear2d": BILINEAR_PRICE * 2 * 4 * 6 * 10
    }
    price = f"bilinear upsampling, {BILINEAR_PRICE} per output element"
    assert f"bilinear upsampling {BILINEAR_PRICE} per output" in CONVENTIONS["fvcore"].meaning
    peer = next(peer for peer in PEERS if peer.name == "fvcore")
    upsample = replace(net(op("upsample_bilinear2d", 0, output=2)), outputs=(2,))
    assert [step.label for step in peer.steps(upsample)] == [price]


@pytest.mark.parametrize(
    ("operator", "shapes", "macs"),
    [
        ("mm", [(2, 3), (3, 5), (2, 5)], 2 * 3 * 5),
        ("addmm", [(5,), (2, 3), (3, 5), (2, 5)], 2 * 3 * 5),
        ("bmm", [(7, 2, 3), (7, 3, 5), (7, 2, 5)], 7 * 2 * 3 * 5),
        ("baddbmm", [(1, 2, 1), (7, 2, 3), (7, 3, 5), (7, 2, 5)], 7 * 2 * 3 * 5),
        # queries times keys, 4 × 6 × 5, and weights times values, 4 × 6 × 3, for 2 × 7 heads
        (ATTENTION[0], [(2, 7, 4, 5), (2, 7, 6, 5), (2, 7, 6, 3), (2, 7, 4, 3)], 14 * 24 * 8),
    ],
)
def test_a_matmul_costs_rows_times_inner_times_columns(
    operator: str, shapes: Shapes, macs: int
) -> None:
    assert priced(operator, shapes) == macs
    assert priced(operator, shapes, "torch") == 2 * macs


def test_a_matmul_with_a_vector_has_one_column() -> None:
    assert priced("matmul", [(2, 3), (3,), (2,)], "fvcore") == 2 * 3


@pytest.mark.parametrize(
    ("cell", "states", "gates"),
    [("lstm_cell", 2, 4), ("gru_cell", 1, 3), ("rnn_tanh_cell", 1, 1), ("rnn_relu_cell", 1, 1)],
)
def test_a_recurrent_cell_costs_a_matmul_of_its_input_and_one_of_its_state(
    cell: str, states: int, gates: int
) -> None:
    rows = gates * 5
    shapes = [(2, 3), *[(2, 5)] * states, (rows, 3), (rows, 5), (2, 5)]
    assert priced(cell, shapes, "fvcore") == 2 * 3 * rows + 2 * 5 * rows


@pytest.mark.parametrize(("transposed", "positions"), [(False, 6 * 7), (True, 3 * 4)])
def test_a_conv_costs_its_weights_at_the_positions_of_its_output_or_of_its_input(
    transposed: bool,  # noqa: FBT001 - a parameter of the test
    positions: int,
) -> None:
    shapes = [(2, 4, 3, 4), (4, 8, 3, 3), (2, 8, 6, 7)]
    macs = 2 * (4 * 8 * 3 * 3) * positions
    assert priced("convolution", shapes, transposed=transposed) == macs


ELEMENTS = 2 * 4 * 3 * 5


@pytest.mark.parametrize(
    ("operator", "price"),
    [
        (op("upsample_nearest2d", 0, output=2), 2 * 4 * 6 * 10),
        (op("adaptive_avg_pool2d", 0), ELEMENTS),
        (op("batch_norm", 0, 3, 3, 3, 3), 2 * ELEMENTS),
        (op("batch_norm", 0, None, None, 3, 3), ELEMENTS),
        (op("batch_norm", 0, 3)._replace(attributes={"training": True}), 5 * ELEMENTS),
        (op("layer_norm", 0, 3, 3), 5 * ELEMENTS),
        (op("group_norm", 0, None, None), 4 * ELEMENTS),
        (op("grid_sampler", 0, output=2), 4 * 2 * 4 * 6 * 10),
    ],
)
def test_an_operator_has_the_price_of_fvcore(operator: Op, price: int) -> None:
    assert list(fvcore(operator).values()) == [price]


@pytest.mark.parametrize(
    ("name", "label"),
    [("convolution", "conv"), ("lstm_cell", "linear"), ("gru_cell", "linear"), ("mm", "mm")],
)
def test_an_operator_is_summed_under_the_label_of_fvcore(name: str, label: str) -> None:
    assert price_label(name) == label


def test_nothing_is_counted_both_as_a_call_and_as_the_kernel_inside_it() -> None:
    shapes = [(2, 3), (5, 3), (2, 5)]
    tensors = tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes))
    linear = Op("linear", 0, (0, 1, None), (2,), {}, composite=True)
    matmul = Op("mm", 0, (0, 1), (2,), {}, parent=0)
    macs = 2 * 3 * 5
    trace = replace(net(linear, matmul._replace(inputs=(0, 1))), tensors=tensors)
    assert total_flops(trace)["fvcore"] == macs
    assert list(flops_by_operator(trace, CONVENTIONS["fvcore"])) == ["linear"]
    assert list(flops_by_operator(trace, CONVENTIONS["macs"])) == ["mm"]
    twice = replace(trace, ops=(matmul._replace(parent=None, composite=True), matmul))
    assert flops_by_operator(twice, CONVENTIONS["macs"])["mm"][0] == 1


def test_fvcore_looks_inside_convolutions_only() -> None:
    shapes = [(2, 4, 3, 4), (8, 4, 1, 1), (2, 8, 3, 4)]
    tensors = tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes))
    kernel = Op("convolution", 0, (0, 1, None), (2,), {"transposed": False}, parent=0)
    for call, cost in (("conv2d", 2 * 8 * 4 * 12), ("my_conv", 0)):
        whole = Op(call, 0, (0, 1, None), (2,), {}, composite=True)
        trace = replace(net(whole, kernel), tensors=tensors)
        assert total_flops(trace)["fvcore"] == cost
        assert total_flops(trace)["macs"] == 2 * 8 * 4 * 12


def test_uncounted_operators_are_listed_by_calls_and_views_are_not() -> None:
    view = Op("view", 0, (0,), (0,), {})
    in_place = Op("hardswish_", 0, (1,), (1,), {})
    empty = op("empty")
    trace = net(op("add", 0, 1), op("hardswish", 0), in_place, empty)
    assert uncounted(trace, CONVENTIONS["fvcore"]) == [
        Uncounted("hardswish", 2),
        Uncounted("add", 1),
    ]
    tensors = (*trace.tensors[:1], trace.tensors[1]._replace(storage=0), *trace.tensors[2:])
    viewed = replace(trace, tensors=tensors, ops=(view._replace(outputs=(1,)),))
    assert uncounted(viewed, CONVENTIONS["fvcore"]) == []


# Tables of modules


def test_rows_of_the_tree_add_up_and_a_remainder_stands_below_its_module() -> None:
    trace = net(op("adaptive_avg_pool2d", 0), op("adaptive_avg_pool2d", 0, module=1))
    rows = module_rows(trace, own_figures(trace), max_depth=1)
    assert [(row.path, row.own, row.leaf) for row in rows] == [
        ("", True, True),
        ("child", False, True),
    ]
    assert sum(row.figures["fvcore"] for row in rows) == totals(trace)["fvcore"] == 2 * ELEMENTS
    assert partition(rows) == rows


def test_the_tree_ends_at_its_depth_and_shows_no_empty_remainder() -> None:
    trace = net()
    deeper = Module("child.leaf", "Leaf", trace.modules[1].parameters)
    modules = (trace.modules[0], Module("child", "Layer"), deeper)
    trace = replace(trace, modules=modules)
    own = own_figures(trace)

    def rows(depth: int) -> list[tuple[str, bool]]:
        return [(row.path, row.leaf) for row in module_rows(trace, own, max_depth=depth)]

    assert rows(1) == [("child", True)]
    assert rows(2) == rows(3) == [("child", False), ("child.leaf", True)]
    assert [row.path for row in partition(module_rows(trace, own, max_depth=2))] == ["child.leaf"]


def test_a_shared_weight_counts_once_for_the_module_that_comes_first() -> None:
    trace = net()
    first = trace.modules[1]
    shared = replace(trace, modules=(*trace.modules, first._replace(path="again")))
    assert total_params(shared) == total_params(trace)
    assert own_params(shared)["again"]["params"] == 0


def test_in_another_element_type_integers_keep_their_size() -> None:
    trace = net()
    tensors = (*trace.tensors[:3], trace.tensors[3]._replace(dtype="int32"))
    assert total_params(trace, "float16")["bytes"] == 2 * 4
    assert total_params(replace(trace, tensors=tensors), "float16")["bytes"] == 4 * 4


def test_it_is_unknown_which_weights_of_a_state_dict_are_trainable() -> None:
    unknown = net(trainable=None)
    assert known_metrics(unknown) == ("params", "buffers", "bytes")
    assert total_params(unknown) == {"params": 4, "buffers": 0, "bytes": 16}
    assert own_params(unknown)["child"] == {"params": 4, "buffers": 0, "bytes": 16}
    assert total_params(net(trainable=False))["frozen"] == 4


def test_a_model_that_cannot_run_has_the_metrics_that_need_no_run() -> None:
    failed = replace(net(), failure="it does not run")
    assert totals(failed) == total_params(failed)
    assert own_figures(failed) == own_params(failed)


def test_the_figures_of_a_trace_are_worked_out_once() -> None:
    trace = net(op("add", 0, 1))
    assert totals(trace) is totals(trace)
    again = replace(trace)
    assert totals(again) == totals(trace)
    assert totals(again) is not totals(trace)
    assert again == trace


# Subjects


def test_a_module_has_the_role_and_the_place_of_its_aspp_branch() -> None:
    ours = Subject("v1", net(), as_variant("v1"))
    assert ours.role("aspp.branches.1.bn1") == "aspp.branches[rate 6].bn1"
    assert ours.place("aspp.branches.1.bn1") == "aspp.branches[rate 6]"
    assert ours.role("aspp.branches.10") == ours.place("aspp.branches.10") == "aspp.branches.10"
    assert ours.place("decoder.0") == "decoder.0"
    assert Subject("other", net()).role("aspp.branches.1") == "aspp.branches.1"
