"""Liveness and strides on networks small enough to follow by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.analysis.geometry.stride import strides
from ucseg_cli.analysis.geometry.tap_shapes import TapShape, tap_shapes
from ucseg_cli.analysis.memory.peak_memory import (
    Held,
    minimum_memory,
    peak_memory,
    real_run_bytes,
    weights_bytes,
)
from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.trace import Module, Op, Tap, Tensor, Trace, Weight


def sketch(
    sizes: list[int],
    ops: list[Op],
    *,
    outputs: tuple[int, ...],
    views: dict[int, int] | None = None,
    freed: dict[int, int] | None = None,
) -> Trace:
    """Tensors of given bytes, the first of them the input; *views* share another's storage."""
    storage = {index: (views or {}).get(index, index) for index in range(len(sizes))}
    return Trace(
        modules=(Module("", "Net"), Module("layer", "Layer")),
        tensors=tuple(
            Tensor((size // 4,), "float32", storage[index]) for index, size in enumerate(sizes)
        ),
        storages=tuple(sizes),
        freed=tuple((freed or {}).get(index) for index in range(len(sizes))),
        ops=tuple(ops),
        inputs=(0,),
        outputs=outputs,
    )


def op(inputs: tuple[int, ...], output: int, name: str = "f", **attributes: Any) -> Op:
    return Op(name, 0, inputs, (output,), attributes)


def test_in_a_chain_two_neighbours_are_alive_and_the_input_all_along() -> None:
    trace = sketch([100, 40, 60, 20], [op((0,), 1), op((1,), 2), op((2,), 3)], outputs=(3,))
    # at the second: input 100, its operand 40, its result 60; at the third: 100 + 60 + 20
    assert minimum_memory(trace).bytes == 100 + 40 + 60


def test_a_skip_keeps_its_source_alive_until_it_is_used() -> None:
    trace = sketch(
        [100, 40, 60, 20, 8], [op((0,), 1), op((1,), 2), op((2,), 3), op((1, 3), 4)], outputs=(4,)
    )
    assert minimum_memory(trace).bytes == 100 + 40 + 60 + 20  # at the third


def test_what_was_freed_before_the_fullest_moment_is_not_alive_there() -> None:
    trace = sketch([100, 40, 500], [op((0,), 1), op((0,), 2)], outputs=(2,))
    assert minimum_memory(trace).bytes == 100 + 500
    assert [held.bytes for held in minimum_memory(trace).alive] == [500, 100]


def test_a_write_in_place_allocates_nothing() -> None:
    trace = sketch([100, 40], [op((0,), 1), op((1,), 1, "relu_")], outputs=(1,))
    assert minimum_memory(trace).bytes == peak_memory(trace).bytes == 100 + 40


def test_a_view_allocates_nothing_and_keeps_its_storage_alive() -> None:
    ops = [op((0,), 1), op((1,), 2, "view"), op((0,), 3), op((2, 3), 4)]
    trace = sketch([100, 40, 40, 60, 4], ops, outputs=(4,), views={2: 1})
    assert minimum_memory(trace).bytes == 100 + 40 + 60 + 4  # at the last


def test_an_output_lives_to_the_end() -> None:
    trace = sketch([100, 40, 60, 50], [op((0,), 1), op((0,), 2), op((2,), 3)], outputs=(1, 3))
    assert minimum_memory(trace).bytes == 100 + 40 + 60 + 50


def test_weights_are_not_activations() -> None:
    plain = sketch([100, 40, 60], [op((0, 1), 2)], outputs=(2,))
    weighted = replace(plain, modules=(Module("", "Net", (Weight("weight", 1, trainable=True),)),))
    for trace in (
        plain,
        weighted,
    ):  # a tensor that is there before an operator made it is a weight to the model
        assert minimum_memory(trace).bytes == peak_memory(trace).bytes == 100 + 60
    assert weights_bytes(plain) == 0
    assert weights_bytes(weighted) == 40
    assert weights_bytes(weighted, "bfloat16") == 20


def test_a_view_of_a_weight_is_no_activation_either() -> None:
    trace = sketch([100, 40, 40, 60], [op((1,), 2, "t"), op((0, 2), 3)], outputs=(3,), views={2: 1})
    assert peak_memory(trace).bytes == minimum_memory(trace).bytes == 100 + 60


def test_a_network_that_does_nothing_holds_its_input() -> None:
    peak = peak_memory(sketch([100], [], outputs=(0,)))
    assert (peak.bytes, peak.input_bytes, peak.op) == (100, 100, "")
    assert peak.alive == (Held(100, (25,), "float32", "", "", needed=True),)


def test_the_sum_of_all_outputs_overstates_the_peak() -> None:
    layers = 10
    ops = [op((index,), index + 1) for index in range(layers)]
    trace = sketch([100] * (layers + 1), ops, outputs=(layers,))
    assert minimum_memory(trace).bytes == 300 < sum(trace.storages) == 1_100


def test_what_is_let_go_late_is_held_until_then() -> None:
    chain = [op((0,), 1), op((1,), 2), op((2,), 3), op((3,), 4)]
    # 1 is last read by operator 1, but a variable of the program holds it until three have run
    trace = sketch([100, 40, 60, 20, 8], chain, outputs=(4,), freed={1: 3, 2: 3, 3: 4})
    peak = peak_memory(trace)
    assert peak.bytes == 100 + 40 + 60 + 20  # at the third
    assert minimum_memory(trace).bytes == 100 + 40 + 60  # at the second
    assert [held.bytes for held in peak.alive] == [100, 60, 40, 20]
    assert [held.bytes for held in peak.overdue] == [40]
    assert minimum_memory(trace).overdue == ()


def test_what_is_never_let_go_adds_up() -> None:
    trace = sketch([100, 40, 60, 20], [op((0,), 1), op((1,), 2), op((2,), 3)], outputs=(3,))
    assert peak_memory(trace).bytes == 100 + 40 + 60 + 20


@pytest.mark.parametrize("freed", [1, 2])
def test_what_is_dropped_at_once_was_alive_while_its_operator_ran(freed: int) -> None:
    trace = sketch(
        [100, 40, 500, 60],
        [op((0,), 1), op((1,), 2), op((1,), 3)],
        outputs=(3,),
        freed={1: 3, 2: freed},
    )
    peak = peak_memory(trace)
    assert peak.bytes == minimum_memory(trace).bytes == 100 + 40 + 500
    assert peak.overdue == ()  # the operator that runs is writing it


def test_the_peak_says_where_it_is_as_the_model_called_it() -> None:
    ops = [
        Op("conv2d", 1, (0,), (1,), {}, composite=True),
        Op("convolution", 1, (0,), (1,), {}, parent=0),
    ]
    peak = peak_memory(sketch([100, 40], ops, outputs=(1,)))
    assert (peak.module, peak.op) == ("layer", "conv2d")
    assert [(held.module, held.op) for held in peak.alive] == [("", ""), ("layer", "conv2d")]


def test_in_another_element_type_what_is_floating_point_changes_and_integers_do_not() -> None:
    trace = sketch([100, 40, 60], [op((0,), 1), op((1,), 2)], outputs=(2,))
    trace = replace(trace, tensors=(*trace.tensors[:2], Tensor((15,), "int32", 2)))
    assert peak_memory(trace, "float16").bytes == 50 + 20 + 60
    assert peak_memory(trace, "float64").bytes == 200 + 80 + 60
    assert peak_memory(trace, "float32") == peak_memory(trace)
    assert [held.dtype for held in peak_memory(trace, "float16").alive] == [
        "int32",
        "float16",
        "float16",
    ]


def test_an_element_type_that_is_not_known_has_the_size_that_torch_gave() -> None:
    trace = sketch([100], [], outputs=(0,))
    assert (
        peak_memory(replace(trace, tensors=(Tensor((50,), "bits16", 0),)), "float16").bytes == 100
    )


def test_in_an_element_type_of_half_a_byte_two_elements_share_one() -> None:
    trace = sketch([100], [], outputs=(0,))
    assert peak_memory(trace, "float4_e2m1fn").bytes == 12  # 25 elements, the last one cut


# The memory of a run on real tensors


def convolution(dilation: tuple[int, int]) -> Trace:
    """A 3×3 convolution from 2 to 5 channels onto 4×6 positions."""
    shapes = [(1, 2, 4, 6), (5, 2, 3, 3), (1, 5, 4, 6)]
    sizes = tuple(4 * Tensor(shape, "", 0).numel for shape in shapes)
    return Trace(
        modules=(Module("", "Conv2d", (Weight("weight", 1, trainable=True),), calls=1),),
        tensors=tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes)),
        storages=sizes,
        freed=(None,) * 3,
        ops=(Op("convolution", 0, (0, 1, None), (2,), {"dilation": dilation}),),
        inputs=(0,),
        outputs=(2,),
    )


INPUT, WEIGHTS, OUTPUT = 4 * 2 * 4 * 6, 4 * 5 * 2 * 3 * 3, 4 * 5 * 4 * 6


def test_a_real_run_needs_the_weights_once_and_the_activations_twice() -> None:
    assert real_run_bytes(convolution((1, 1))) == WEIGHTS + 2 * (INPUT + OUTPUT)


@pytest.mark.parametrize("dilation", [(2, 2), (1, 2), (2, 1)])
def test_a_dilated_conv_also_unfolds_its_input_once_for_each_kernel_position(
    dilation: tuple[int, int],
) -> None:
    unfolded = 4 * (2 * 3 * 3) * (4 * 6)
    assert real_run_bytes(convolution(dilation)) == WEIGHTS + 2 * (INPUT + OUTPUT) + unfolded


def test_only_the_largest_unfolding_counts_and_only_convolutions_unfold() -> None:
    trace = convolution((2, 2))
    (conv,) = trace.ops
    again = replace(trace, ops=(conv, conv))
    assert real_run_bytes(again) == real_run_bytes(trace)
    renamed = replace(trace, ops=(conv._replace(name="slow_conv"),))
    assert real_run_bytes(renamed) == WEIGHTS + 2 * (INPUT + OUTPUT)


def test_a_network_without_operators_needs_its_input_twice() -> None:
    assert real_run_bytes(sketch([100], [], outputs=(0,))) == 200


# Strides


def maps(shapes: list[tuple[int, ...]], ops: list[Op], taps: tuple[Tap, ...] = ()) -> Trace:
    return Trace(
        modules=(Module("", "Net", calls=1, outputs=(len(shapes) - 1,)), Module("unused", "Net")),
        tensors=tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes)),
        storages=(0,) * len(shapes),
        freed=(None,) * len(shapes),
        ops=tuple(ops),
        inputs=(0,),
        outputs=(len(shapes) - 1,),
        taps=taps,
    )


X = (1, 3, 64, 96)


@pytest.mark.parametrize(
    ("shape", "operator", "stride"),
    [
        ((1, 8, 32, 32), op((0,), 1, "convolution", stride=(2, 3), transposed=False), (2, 3)),
        ((1, 3, 32, 48), op((0,), 1, "max_pool2d_with_indices", kernel_size=(2, 2)), (2, 2)),
        ((1, 3, 32, 48), op((0,), 1, "avg_pool2d", kernel_size=(3, 3), stride=(2, 2)), (2, 2)),
        ((1, 3, 128, 144), op((0,), 1, "upsample_bilinear2d"), (Fraction(1, 2), Fraction(2, 3))),
        ((1, 3, 64, 96), op((0,), 1, "hardswish"), (1, 1)),
        (
            (1, 3, 128, 192),
            op((0,), 1, "convolution", stride=(2, 2), transposed=True),
            (Fraction(1, 2),) * 2,
        ),
        ((1, 3, 64, 96), op((0,), 1, "mylib::fast_gelu"), None),
        ((1, 3, 1, 1), op((0,), 1, "mean"), None),
        ((1, 18_432), op((0,), 1, "view"), None),
    ],
)
def test_each_operator_does_to_the_stride_what_it_does_to_the_grid(
    shape: tuple[int, ...], operator: Op, stride: tuple[Fraction, Fraction] | None
) -> None:
    assert strides(maps([X, shape], [operator])).get(1) == stride


@pytest.mark.parametrize("shape", [(2, 3, 9), (2, 3, 9, 9, 9, 9), (2, 3), ()])
def test_an_input_that_is_not_an_image_has_no_stride(shape: tuple[int, ...]) -> None:
    assert strides(maps([shape, shape], [op((0,), 1, "upsample_linear1d")])) == {}


def test_what_combines_maps_takes_the_stride_of_the_one_with_its_grid() -> None:
    ops = [
        op((0,), 1, "convolution", stride=(2, 2), transposed=False),
        op((1,), 2, "mean"),
        op((2, 1), 3, "mul"),
    ]
    assert strides(maps([X, (1, 8, 32, 48), (1, 8, 1, 1), (1, 8, 32, 48)], ops))[3] == (
        Fraction(2),
        Fraction(2),
    )


def test_of_a_network_s_own_taps_those_that_never_ran_are_left_out() -> None:
    trace = maps([X, X], [op((0,), 1, "relu")], taps=(Tap("out", ""), Tap("never", "unused")))
    (tap,) = tap_shapes(trace)
    assert (tap.name, tap.module, tap.shape, tap.stride) == (
        "out",
        "",
        X,
        (Fraction(1), Fraction(1)),
    )


@pytest.mark.parametrize(
    ("stride", "whole"),
    [
        ((Fraction(4), Fraction(4)), 4),
        ((Fraction(4), Fraction(2)), None),
        ((Fraction(1, 2), Fraction(1, 2)), None),
        (None, None),
    ],
)
def test_a_stride_is_one_number_only_where_it_is_whole_and_square(
    stride: tuple[Fraction, Fraction] | None, whole: int | None
) -> None:
    assert TapShape("tap", "", X, stride).whole_stride == whole


# Parameters of other element types


@pytest.mark.parametrize("dtype", [dtype for dtype, bits in BITS.items() if bits >= 8])
def test_bytes_are_elements_times_the_size_of_one(dtype: str) -> None:
    trace = Trace(
        modules=(Module("", "Net", (Weight("weight", 0, trainable=False),)),),
        tensors=(Tensor((3, 5), dtype, 0),),
        storages=(0,),
        freed=(None,),
        ops=(),
        inputs=(),
        outputs=(),
    )
    assert total_params(trace) == {
        "params": 15,
        "trainable": 0,
        "frozen": 15,
        "buffers": 0,
        "bytes": 15 * BITS[dtype] // 8,
    }
