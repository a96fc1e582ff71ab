"""Layers in the order of running: every operator and parameter once, equal blocks folded."""

from __future__ import annotations

import pytest

from support.fixture_types import TraceOf
from ucseg_cli.analysis.counting.layer_rows import LayerRow, layer_rows
from ucseg_cli.analysis.counting.layers import Layer, layers
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace, Weight
from ucseg_cli.references.variants import as_variant

every_variant = pytest.mark.parametrize("name", ["v1", "v2", "v3"])
every_fold = pytest.mark.parametrize("fold", [True, False])


def traced(trace_of: TraceOf, name: str) -> Trace:
    return trace_of(as_variant(name), Conditions())


def rows_of(trace: Trace, depth: int | None = None, *, fold: bool = True) -> list[LayerRow]:
    types = {module.path: module.type for module in trace.modules}
    return layer_rows(layers(trace), types, depth=depth, fold=fold)


@every_variant
def test_layers_add_up_to_the_totals(trace_of: TraceOf, name: str) -> None:
    trace = traced(trace_of, name)
    every = layers(trace)
    for metric, total in {**total_flops(trace), "params": total_params(trace)["params"]}.items():
        assert sum(layer.figures[metric] for layer in every) == total


@every_variant
@every_fold
def test_rows_of_every_level_add_up_to_what_they_are_inside_of(
    trace_of: TraceOf, name: str, *, fold: bool
) -> None:
    trace = traced(trace_of, name)
    for depth in (1, 2, 3, None):
        rows = rows_of(trace, depth, fold=fold)
        leaves = [row for row in rows if row.is_leaf]
        assert sum(row.figures["macs"] for row in leaves) == total_flops(trace)["macs"]
        for place, row in enumerate(rows):
            below = list(children(rows, place))
            assert not below or sum(one.figures["params"] for one in below) == row.figures["params"]


def children(rows: list[LayerRow], place: int) -> list[LayerRow]:
    """The rows one level below the row at *place*, up to the next row that is not deeper."""
    found = []
    for row in rows[place + 1 :]:
        if row.depth <= rows[place].depth:
            break
        if row.depth == rows[place].depth + 1:
            found.append(row)
    return found


def test_equal_neighbours_are_one_row_that_names_the_first_and_the_last(trace_of: TraceOf) -> None:
    rows = rows_of(traced(trace_of, "v2"), 2)
    (folded,) = [row for row in rows if row.times > 1]
    assert (folded.path, folded.last, folded.times) == ("features.5", "features.6", 2)
    each = rows_of(traced(trace_of, "v2"), 2, fold=False)
    two = [row for row in each if row.path in {"features.5", "features.6"}]
    assert folded.figures["fvcore"] == sum(row.figures["fvcore"] for row in two)


def test_every_layer_goes_on_from_what_one_before_it_made(trace_of: TraceOf) -> None:
    trace = traced(trace_of, "v2")
    made = {trace.tensors[trace.inputs[0]].shape}
    for layer in layers(trace):
        assert made.issuperset(layer.inputs), layer.path
        made.update(layer.outputs)


def test_a_window_is_that_of_the_convolution(trace_of: TraceOf) -> None:
    by_path = {layer.path: layer for layer in layers(traced(trace_of, "v2"))}
    stem, dilated = by_path["features.0.0"].window, by_path["aspp.branches.1.depthwise"].window
    assert stem == ((3, 3), (2, 2), (1, 1), 1)
    assert dilated == ((3, 3), (1, 1), (6, 6), 96)
    assert by_path["features.0.1"].window is None


# Small traces


def small(ops: list[Op], modules: tuple[Module, ...]) -> Trace:
    tensors = tuple(Tensor((2, 4), "float32", number) for number in range(6))
    sizes = (32,) * len(tensors)
    freed = (None,) * len(tensors)
    return Trace(modules, tensors, sizes, freed, tuple(ops), inputs=(0,), outputs=(2,))


def relu(module: int, read: int, made: int) -> Op:
    return Op("relu", module, (read,), (made,), {})


WEIGHT = Weight("weight", 5, trainable=True)
NET = Module("", "Net", calls=1)


def test_a_module_that_is_called_twice_has_two_rows_and_its_parameters_once() -> None:
    twice = Module("act", "PReLU", (WEIGHT,), calls=2)
    first, second = layers(small([relu(1, 0, 1), relu(1, 1, 2)], (NET, twice)))
    assert (first.call, second.call) == (1, 2)
    assert (first.figures["params"], second.figures["params"]) == (8, 0)


def test_parameters_that_nothing_runs_are_a_row_of_their_own() -> None:
    idle = Module("spare", "Linear", (WEIGHT,))
    *_, last = layers(small([relu(0, 0, 2)], (NET, idle)))
    assert (last.path, last.call, last.figures["params"]) == ("spare", 0, 8)


def test_what_the_model_itself_holds_stands_with_its_first_operator() -> None:
    first, second = layers(
        small([relu(0, 0, 1), relu(0, 1, 2)], (NET._replace(parameters=(WEIGHT,)),))
    )
    assert (first.figures["params"], second.figures["params"]) == (8, 0)
    assert first.is_operator


def test_a_call_that_only_passes_a_tensor_on_is_left_out() -> None:
    ops = [Op("detach", 0, (0,), (1,), {}), relu(0, 1, 2)]
    assert [layer.type for layer in layers(small(ops, (NET,)))] == ["relu"]


def test_layers_with_the_same_name_and_other_shapes_are_not_folded() -> None:
    types = {"": "Net", "a": "A", "b": "A"}
    one = Layer("a", "A", False, 1, ((1, 2),), ((1, 2),), None, {"params": 1})  # noqa: FBT003
    other = one._replace(path="b", outputs=((1, 3),))
    assert len(layer_rows([one, other], types, depth=None, fold=True)) == 2
    assert len(layer_rows([one, one._replace(path="b")], types, depth=None, fold=True)) == 1
