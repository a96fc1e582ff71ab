from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.facts.trace import (
    Module,
    Op,
    Tap,
    Tensor,
    Trace,
    TraceFormatError,
    Weight,
    decode_trace,
    encode_trace,
)

TRACE = Trace(
    modules=(
        Module("", "Net", calls=1, outputs=(4,)),
        Module(
            "conv",
            "Conv2d",
            (Weight("weight", 1, trainable=True),),
            (Weight("seen", 2, trainable=False),),
            None,
            1,
            (3,),
        ),
        Module("same", "Conv2d", alias_of="conv"),
    ),
    tensors=(
        Tensor((1, 3, 4, 4), "float32", 0),
        Tensor((2, 3, 1, 1), "float32", 1),
        Tensor((), "int64", 2),
        Tensor((1, 2, 4, 4), "float32", 3),
        Tensor((1, 32), "float32", 3),  # a view of the one before
    ),
    storages=(192, 24, 8, 128),
    freed=(None, None, None, 4),
    ops=(
        Op("conv2d", 1, (0, 1, None), (3,), {"padding": "same"}, composite=True),
        Op(
            "convolution",
            1,
            (0, 1, None),
            (3,),
            {"stride": (1, 1), "transposed": False, "nested": ((1,), (2, 3))},
            0,
        ),
        Op("view", 0, (3,), (4,), {"size": (1, 32), "fill": float("-inf"), "note": None, "p": 0.5}),
        Op("relu_", 0, (3,), (3,), {}),
    ),
    inputs=(0,),
    outputs=(4,),
    taps=(Tap("low", "conv"),),
)


def test_a_trace_survives_json() -> None:
    assert decode_trace(json.loads(json.dumps(encode_trace(TRACE)))) == TRACE


def test_the_number_of_elements_is_the_product_of_the_sides() -> None:
    assert [tensor.numel for tensor in TRACE.tensors] == [1 * 3 * 4 * 4, 2 * 3, 1, 2 * 4 * 4, 32]
    assert Tensor((3, 0, 5), "float32", 0).numel == 0


def test_modules_are_found_by_path_and_the_root_by_the_empty_one() -> None:
    assert {path: module.type for path, module in TRACE.by_path.items()} == {
        "": "Net",
        "conv": "Conv2d",
        "same": "Conv2d",
    }


def test_only_what_computes_is_a_kernel_and_keeps_its_index() -> None:
    assert [(index, op.name) for index, op in TRACE.kernels()] == [
        (1, "convolution"),
        (2, "view"),
        (3, "relu_"),
    ]


def test_the_shape_of_an_argument_left_out_is_missing() -> None:
    assert TRACE.shape(0) == (1, 3, 4, 4)
    assert TRACE.shape(None) is None


def test_a_view_shares_the_storage_and_a_write_in_place_is_not_one() -> None:
    assert [TRACE.is_view(op) for op in TRACE.ops] == [False, False, True, False]
    assert not TRACE.is_view(Op("nothing", 0, (0,), (), {}))


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"format": 4},
        {"format": "1"},
        {"modules": [["only a path"]]},
        {"modules": 5},
        {"tensors": [[[1], "float32"]]},
        {"tensors": [[1, "float32", 0]]},
        {"ops": [["conv", 0, [0], [1], ["not", "a", "mapping"], None, False]]},
        {"ops": [["conv", 0, 3, [1], {}, None, False]]},
        {"taps": [["low"]]},
        {"inputs": None},
    ],
)
def test_data_that_is_not_a_trace_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(TraceFormatError):
        decode_trace(encode_trace(TRACE) | damage)


@pytest.mark.parametrize("key", list(encode_trace(TRACE)))
def test_a_trace_that_lacks_a_part_is_refused(key: str) -> None:
    data = encode_trace(TRACE)
    del data[key]
    with pytest.raises(TraceFormatError):
        decode_trace(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(list(encode_trace(TRACE))), JSON)
def test_damage_of_any_kind_is_a_format_error_and_nothing_else(key: str, value: Any) -> None:
    try:
        decode_trace(encode_trace(TRACE) | {key: value})
    except TraceFormatError:
        return
    assert key != "format" or value == 1


@given(JSON)
def test_anything_but_an_encoded_trace_is_a_format_error(value: Any) -> None:
    with pytest.raises(TraceFormatError):
        decode_trace(value)
