"""Folding batch norms in traces small enough to follow by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ucseg_cli.analysis.counting.fold_batch_norms import (
    BATCH_STATISTICS,
    NO_LAYER,
    NOT_ITS_OWN,
    READ_ELSEWHERE,
    SHARED_LAYER,
    Kept,
    Pair,
    fold_batch_norms,
)
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.facts.trace import Module, Op, Tap, Tensor, Trace, Weight

CONV = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "transposed": False, "groups": 1}
X, WEIGHT, Y, GAIN, SHIFT, MEAN, VARIANCE, Z, SAVED, COUNTER, OUT = range(11)
MAP, CHANNELS = (1, 4, 2, 2), (4,)
SHAPES = [
    (1, 3, 2, 2),
    (4, 3, 1, 1),
    MAP,
    CHANNELS,
    CHANNELS,
    CHANNELS,
    CHANNELS,
    MAP,
    (0,),
    (),
    MAP,
]


def op(name: str, module: int, inputs: tuple[int | None, ...], *outputs: int, **more: Any) -> Op:
    parent, composite = more.pop("parent", None), more.pop("composite", False)
    return Op(name, module, inputs, outputs, more, parent, composite)


def parameter(name: str, tensor: int, *, trainable: bool = True) -> Weight:
    return Weight(name, tensor, trainable)


def conv_norm_relu() -> Trace:
    """A 1×1 conv from 3 to 4 channels without a bias, batch norm, and ReLU, on 2 by 2 pixels."""
    norm = (Y, GAIN, SHIFT, MEAN, VARIANCE)
    return Trace(
        modules=(
            Module("", "Net", calls=1, outputs=(OUT,)),
            Module("conv", "Conv2d", (parameter("weight", WEIGHT),), calls=1, outputs=(Y,)),
            Module(
                "norm",
                "BatchNorm2d",
                (parameter("weight", GAIN), parameter("bias", SHIFT)),
                (
                    parameter("running_mean", MEAN, trainable=False),
                    parameter("running_var", VARIANCE, trainable=False),
                    parameter("num_batches_tracked", COUNTER, trainable=False),
                ),
                calls=1,
                outputs=(Z,),
            ),
            Module("relu", "ReLU", calls=1, outputs=(OUT,)),
        ),
        tensors=tuple(Tensor(shape, "float32", storage) for storage, shape in enumerate(SHAPES)),
        storages=tuple(4 * Tensor(shape, "", 0).numel for shape in SHAPES),
        freed=(None, None, 4, None, None, None, None, 5, 4, None, None),
        ops=(
            op("conv2d", 1, (X, WEIGHT, None), Y, composite=True),
            op("convolution", 1, (X, WEIGHT, None), Y, parent=0, **CONV),
            op("batch_norm", 2, norm, Z, composite=True, training=False),
            op("native_batch_norm", 2, norm, Z, SAVED, parent=2, training=False),
            op("relu", 3, (Z,), OUT),
        ),
        inputs=(X,),
        outputs=(OUT,),
    )


def with_op(trace: Trace, index: int, **changes: Any) -> Trace:
    """The trace with one operator changed, and the parts of it that take the same."""
    ops = list(trace.ops)
    ops[index] = ops[index]._replace(**changes)
    return replace(trace, ops=tuple(ops))


def with_module(trace: Trace, index: int, **changes: Any) -> Trace:
    modules = list(trace.modules)
    modules[index] = modules[index]._replace(**changes)
    return replace(trace, modules=tuple(modules))


def with_another_op(trace: Trace, another: Op) -> Trace:
    return replace(trace, ops=(*trace.ops, another))


def test_the_norm_s_operators_disappear_and_the_next_reads_what_the_conv_returned() -> None:
    folding = fold_batch_norms(conv_norm_relu())
    bias = len(SHAPES)
    assert [(op.name, op.inputs, op.outputs, op.parent) for op in folding.trace.ops] == [
        ("conv2d", (X, WEIGHT, bias), (Y,), None),
        ("convolution", (X, WEIGHT, bias), (Y,), 0),
        ("relu", (Y,), (OUT,), None),
    ]
    assert folding.folded == (Pair("conv", "norm"),)
    assert folding.kept == ()


def test_the_norm_becomes_an_identity_and_the_conv_gets_a_bias() -> None:
    trace = fold_batch_norms(conv_norm_relu()).trace
    conv, norm = trace.by_path["conv"], trace.by_path["norm"]
    assert conv.parameters == (parameter("weight", WEIGHT), parameter("bias", len(SHAPES)))
    assert trace.tensors[conv.parameters[1].tensor] == Tensor(CHANNELS, "float32", len(SHAPES))
    assert trace.storages[-1] == 16
    assert norm == Module("norm", "Identity", calls=1, outputs=(Y,))


@pytest.mark.parametrize("trainable", [True, False])
def test_a_new_bias_is_trainable_as_the_weight(trainable: bool) -> None:  # noqa: FBT001 - a parameter of the test
    weight = parameter("weight", WEIGHT, trainable=trainable)
    trace = fold_batch_norms(with_module(conv_norm_relu(), 1, parameters=(weight,))).trace
    assert trace.by_path["conv"].parameters[1].trainable is trainable


def test_every_count_follows_from_the_new_trace() -> None:
    before = conv_norm_relu()
    after = fold_batch_norms(before).trace
    assert total_params(before) == {
        "params": 20,
        "trainable": 20,
        "frozen": 0,
        "buffers": 9,
        "bytes": 116,
    }
    assert total_params(after) == {
        "params": 16,
        "trainable": 16,
        "frozen": 0,
        "buffers": 0,
        "bytes": 64,
    }
    assert total_flops(before) == {"fvcore": 48 + 32, "macs": 48, "torch": 96}
    assert total_flops(after) == {"fvcore": 48, "macs": 48, "torch": 96}


def test_the_conv_s_output_lives_as_long_as_the_norm_s_did() -> None:
    trace = fold_batch_norms(conv_norm_relu()).trace
    assert trace.freed[Y] == 3  # after the relu, which now is the third operator
    assert len(trace.freed) == len(trace.storages)
    assert peak_memory(trace).bytes == 48 + 64 + 64  # input, the conv's output, the relu's


def test_a_conv_that_has_a_bias_keeps_it() -> None:
    trace = conv_norm_relu()
    bias = len(trace.tensors)
    trace = replace(
        trace,
        tensors=(*trace.tensors, Tensor(CHANNELS, "float32", bias)),
        storages=(*trace.storages, 16),
        freed=(*trace.freed, None),
    )
    trace = with_module(trace, 1, parameters=(parameter("weight", WEIGHT), parameter("bias", bias)))
    for index in (0, 1):
        trace = with_op(trace, index, inputs=(X, WEIGHT, bias))
    folded = fold_batch_norms(trace).trace
    assert folded.tensors == trace.tensors
    assert folded.by_path["conv"] == trace.by_path["conv"]
    assert folded.ops[:2] == trace.ops[:2]


def test_a_linear_layer_without_a_bias_becomes_one_with_a_bias() -> None:
    trace = with_op(conv_norm_relu(), 0, name="linear", attributes={})
    trace = with_op(trace, 1, name="mm", inputs=(X, WEIGHT), attributes={})
    bias = len(SHAPES)
    assert [(op.name, op.inputs) for op in fold_batch_norms(trace).trace.ops] == [
        ("linear", (X, WEIGHT, bias)),
        ("addmm", (bias, X, WEIGHT)),
        ("relu", (Y,)),
    ]


@pytest.mark.parametrize(
    ("freed", "expected"),
    [({Y: None, Z: 5}, None), ({Y: 4, Z: None}, None), ({Y: 5, Z: 4}, 3), ({Y: 2, Z: 4}, 2)],
)
def test_the_conv_s_output_is_freed_with_the_later_of_the_two(
    freed: dict[int, int | None], expected: int | None
) -> None:
    trace = conv_norm_relu()
    times = tuple(freed.get(storage, time) for storage, time in enumerate(trace.freed))
    assert fold_batch_norms(replace(trace, freed=times)).trace.freed[Y] == expected


def test_a_norm_with_a_module_inside_keeps_its_type() -> None:
    trace = conv_norm_relu()
    inner = Module("norm.drop", "Identity")
    trace = replace(trace, modules=(*trace.modules, inner))
    assert fold_batch_norms(trace).trace.by_path["norm"].type == "BatchNorm2d"


def test_a_network_without_norms_stays_as_it_is() -> None:
    trace = fold_batch_norms(conv_norm_relu()).trace
    assert fold_batch_norms(trace).trace == trace


AWKWARD = {
    "the norm computes its statistics": (
        with_op(conv_norm_relu(), 2, attributes={"training": True}),
        BATCH_STATISTICS,
    ),
    "it has no statistics": (
        with_op(conv_norm_relu(), 2, inputs=(Y, GAIN, SHIFT, None, None)),
        BATCH_STATISTICS,
    ),
    "it has no mean": (
        with_op(conv_norm_relu(), 2, inputs=(Y, GAIN, SHIFT, None, VARIANCE)),
        BATCH_STATISTICS,
    ),
    "it has no variance": (
        with_op(conv_norm_relu(), 2, inputs=(Y, GAIN, SHIFT, MEAN, None)),
        BATCH_STATISTICS,
    ),
    "the map is the input's memory": (replace(conv_norm_relu(), inputs=(X, Y)), READ_ELSEWHERE),
    "a call that computes nothing returns the map": (
        with_another_op(conv_norm_relu(), op("dropout", 0, (Y,), Y, composite=True)),
        READ_ELSEWHERE,
    ),
    "a batched matmul comes before": (with_op(conv_norm_relu(), 1, name="bmm"), NO_LAYER),
    "it normalises the input": (
        with_op(conv_norm_relu(), 2, inputs=(X, GAIN, SHIFT, MEAN, VARIANCE)),
        NO_LAYER,
    ),
    "another operator comes before": (with_op(conv_norm_relu(), 1, name="max_pool2d"), NO_LAYER),
    "another operator reads the map": (
        with_another_op(conv_norm_relu(), op("sum", 0, (Y,), OUT)),
        READ_ELSEWHERE,
    ),
    "the map is an output": (replace(conv_norm_relu(), outputs=(OUT, Y)), READ_ELSEWHERE),
    "the map is a tap": (replace(conv_norm_relu(), taps=(Tap("low", "conv"),)), READ_ELSEWHERE),
    "the norm's module runs twice": (with_module(conv_norm_relu(), 2, calls=2), NOT_ITS_OWN),
    "the norm's module runs more": (
        with_another_op(conv_norm_relu(), op("relu", 2, (Z,), OUT)),
        NOT_ITS_OWN,
    ),
    "the norm's tensors are the model's": (
        with_module(conv_norm_relu(), 2, parameters=()),
        NOT_ITS_OWN,
    ),
    "the norm holds more": (
        with_module(
            conv_norm_relu(),
            2,
            parameters=tuple(parameter(str(t), t) for t in (GAIN, SHIFT, SAVED)),
        ),
        NOT_ITS_OWN,
    ),
    "another operator reads the norm's weight": (
        with_another_op(conv_norm_relu(), op("abs", 0, (GAIN,), OUT)),
        NOT_ITS_OWN,
    ),
    "the conv runs twice": (
        with_another_op(conv_norm_relu(), op("conv2d", 1, (OUT, WEIGHT, None), OUT)),
        SHARED_LAYER,
    ),
    "the conv's weight is another's too": (
        with_module(conv_norm_relu(), 3, parameters=(parameter("weight", WEIGHT),)),
        SHARED_LAYER,
    ),
    "the conv's weight is computed": (
        with_module(conv_norm_relu(), 1, parameters=()),
        SHARED_LAYER,
    ),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_a_norm_stays_and_the_result_says_why_where(name: str) -> None:
    trace, reason = AWKWARD[name]
    folding = fold_batch_norms(trace)
    assert folding.kept == (Kept("norm", reason),)
    assert folding.folded == ()
    assert folding.trace == trace
