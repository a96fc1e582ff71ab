from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_trace import TRACE
from ucseg_cli.facts.encoding.encoded_trace import TraceFormatError, decode_trace, encode_trace
from ucseg_cli.facts.trace import Module, Op, Tap, Tensor, Trace, Weight


def test_a_trace_survives_json() -> None:
    assert decode_trace(json.loads(json.dumps(encode_trace(TRACE)))) == TRACE


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"format": 4},
        {"format": 7},
        {"idle": [3]},
        {"unsaved": 5},
        {"unsaved": [3]},
        {"beside": [["only a name"]]},
        {"beside": [["packed", [-1]]]},
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


# Traces that no pass could have left


def with_module(**changes: Any) -> Trace:
    root, conv, same = TRACE.modules
    return replace(TRACE, modules=(root, conv._replace(**changes), same))


def with_op(place: int, **changes: Any) -> Trace:
    ops = list(TRACE.ops)
    ops[place] = ops[place]._replace(**changes)
    return replace(TRACE, ops=tuple(ops))


def with_attribute(name: str, value: Any) -> Trace:
    return with_op(1, attributes={**TRACE.ops[1].attributes, name: value})


def with_held(held: Any, *, composite: bool = True, kernel: Any = "", **changed: Any) -> Trace:
    """A call for which the CPU takes another way; the trace's second operator is a map's maker."""
    attributes = {"held": held, "kernel": kernel}
    return with_op(2, name="lstm", attributes=attributes, composite=composite, **changed)


def with_tensor(place: int, tensor: Tensor) -> Trace:
    tensors = list(TRACE.tensors)
    tensors[place] = tensor
    return replace(TRACE, tensors=tuple(tensors))


@pytest.mark.parametrize(
    "trace",
    [
        replace(TRACE, modules=()),
        replace(TRACE, modules=(Module("other", "Net"), *TRACE.modules[1:])),
        replace(TRACE, modules=(*TRACE.modules, TRACE.modules[1])),
        replace(TRACE, modules=(*TRACE.modules, Module("no.parent", "ReLU"))),
        replace(TRACE, modules=(*TRACE.modules, Module("more", "ReLU", alias_of="gone"))),
        with_module(path=3),
        with_module(type=None),
        with_module(calls=-1),
        with_module(calls=1.5),
        with_module(outputs=(5,)),
        with_module(outputs=(None,)),
        with_module(output_names=(1,)),
        with_module(parameters=(Weight("weight", 5, trainable=True),)),
        with_module(parameters=(Weight("weight", -1, trainable=True),)),
        with_module(parameters=(Weight("weight", 1, trainable=1),)),  # type: ignore[arg-type]
        with_module(buffers=(Weight(None, 2, trainable=False),)),  # type: ignore[arg-type]
        with_tensor(0, Tensor((1, -3, 4, 4), "float32", 0)),
        with_tensor(0, Tensor((1, 3, 4, 2**63), "float32", 0)),
        with_tensor(0, Tensor((1, 3.0, 4, 4), "float32", 0)),  # type: ignore[arg-type]
        with_tensor(0, Tensor((1,) * 65, "float32", 0)),
        with_tensor(0, Tensor((1, 3, 4, 4), None, 0)),  # type: ignore[arg-type]
        with_tensor(0, Tensor((1, 3, 4, 4), "float32", 4)),
        replace(TRACE, storages=(192, 24, 8, -1)),
        replace(TRACE, storages=(192, 24, 8)),
        replace(TRACE, freed=(None, None, None, 5)),
        replace(TRACE, freed=(None, None, None, "4")),  # type: ignore[arg-type]
        replace(TRACE, inputs=(5,)),
        replace(TRACE, outputs=(True,)),
        replace(TRACE, taps=(Tap("low", "gone"),)),
        replace(TRACE, taps=(Tap(1, "conv"),)),  # type: ignore[arg-type]
        replace(TRACE, device=None),  # type: ignore[arg-type]
        replace(TRACE, failure=3),  # type: ignore[arg-type]
        with_op(2, name=3),
        with_op(2, module=3),
        with_op(2, inputs=(5,)),
        with_op(2, inputs=(1.0,)),
        with_op(2, outputs=(None,)),
        with_op(2, parent=2),
        with_op(2, parent=-1),
        with_op(2, composite=None),
    ],
)
def test_a_wrong_type_and_a_number_out_of_range_are_refused(trace: Trace) -> None:
    with pytest.raises(TraceFormatError):
        decode_trace(encode_trace(trace))


@pytest.mark.parametrize(
    "trace",
    [
        with_op(1, inputs=(0, 1)),
        with_op(1, inputs=(None, 1, None)),
        with_op(1, outputs=()),
        with_op(1, inputs=(0, 2, None)),  # a kernel without axes
        with_op(1, outputs=(4,)),  # a map with fewer axes than the input
        with_attribute("stride", (0, 1)),
        with_attribute("stride", "1"),
        with_attribute("dilation", (1.0,)),
        with_attribute("dilation", ()),
        with_op(2, name="max_pool2d_with_indices", attributes={"kernel_size": ()}),
        with_op(2, name="avg_pool2d", attributes={"kernel_size": ()}),
        with_attribute("groups", 0),
        with_attribute("transposed", 0),
        with_op(1, attributes={"stride": (1, 1)}),
        with_op(2, name="cat", attributes={"dim": (0, 1)}),
        with_op(2, name="permute", attributes={"dims": None}),
        with_op(2, name="upsample_bilinear2d", attributes={"scales_h": 0}),
        with_held(5),
        with_held(((1, 2), "float32", 8)),
        with_held((((1, 2), "float32"),)),
        with_held((((1, -2), "float32", 8),)),
        with_held((((1, 2), 32, 8),)),
        with_held((((1, 2), "float32", -8),)),
        with_held((((1, 2), "float32", 2**63),)),
        with_held((((1, 2), "float32", 8.0),)),
        with_held((), kernel=5),
        with_held((), composite=False),
        with_held((), outputs=()),
    ],
)
def test_an_operator_that_lacks_what_the_arithmetic_reads_is_refused(trace: Trace) -> None:
    with pytest.raises(TraceFormatError, match="an operator without its arguments"):
        decode_trace(encode_trace(trace))


@pytest.mark.parametrize(
    "op",
    [
        Op("own::convolution", 0, (0,), (), {"stride": "two", "groups": None}),
        Op("as_strided", 0, (3,), (4,), {"size": (1, 32), "stride": (0, 1)}),
        Op("sum", 0, (3,), (4,), {"dim": (2, 3)}),
        Op("mean", 0, (3,), (4,), {"dim": None}),
        Op("nothing_known", 0, (), (), {}),
        Op("own::lstm", 0, (3,), (), {"held": "two"}),
        Op("lstm", 0, (3,), (4,), {"held": (((1,), "own", 4),), "kernel": "one"}, composite=True),
    ],
)
def test_what_torch_admits_is_not_refused(op: Op) -> None:
    trace = replace(TRACE, ops=(*TRACE.ops, op))
    assert decode_trace(json.loads(json.dumps(encode_trace(trace)))) == trace
