"""Prices of a project: what a formula gives and may not hold, and which calls it counts for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fixture_types import TraceOf
from ucseg_cli.analysis.arithmetic import DEEPEST
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import own_figures, totals
from ucseg_cli.analysis.counting.operations import (
    Uncounted,
    charges,
    flops_by_operator,
    total_flops,
    uncounted,
    used_prices,
)
from ucseg_cli.analysis.counting.price_formula import LONGEST, Call, cost_of_call, parse_price
from ucseg_cli.errors import ConfigurationError, Place, UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.encoding.encoded_trace import decode_trace, encode_trace
from ucseg_cli.facts.trace import Module, Op, Price, Tensor, Trace
from ucseg_cli.references.variants import as_variant

PLACE = Place("ucseg.toml", 7, "prices[0].macs")
CALL = Call(((2, 4, 3, 5), None, (8, 4)), ((2, 8, 3, 5), ()))
X, W, Y = 0, 1, 2


def net(*ops: Op, prices: tuple[Price, ...] = ()) -> Trace:
    """Operators on a map of 2×4×3×5 (X), weights of 8×4 (W) and a map of 2×8×3×5 (Y)."""
    shapes = [(2, 4, 3, 5), (8, 4), (2, 8, 3, 5)]
    return Trace(
        modules=(Module("", "Net"), Module("child", "Layer")),
        tensors=tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes)),
        storages=(480, 128, 960),
        freed=(None,) * 3,
        ops=ops,
        inputs=(X,),
        outputs=(Y,),
        prices=prices,
    )


def own(name: str = "mylib::attend", **more: Any) -> Op:
    return Op(name, 1, (X, W), (Y,), {})._replace(**more)


def price(op: str, formula: str, convention: str = "macs") -> Price:
    return Price(op, convention, formula, PLACE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*out[0].numel*in[2].shape[1]", 2 * 240 * 4),
        ("in[0].shape[-1] + in[0].shape[0]", 7),
        ("in[-1].numel", 32),
        ("out[1].numel", 1),
        ("max(in[0].numel, in[2].numel, 3) - min(1, 2)", 119),
        ("7 // 2 ** 2 - -1", 2),
        ("(1 + 2)*3", 9),
        ("0", 0),
        (" in[0].numel\n  * 2", 240),
    ],
)
def test_a_price_is_worked_out_from_the_shapes_of_a_call(text: str, value: int) -> None:
    assert parse_price(text, PLACE)(CALL) == value


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("in[0]", 1),
        ("2*in[0].shape", 3),
        ("in.numel", 1),
        ("out[0].numel / 2", 1),
        ("out[0].numel % 2", 1),
        ("1.5*in[0].numel", 1),
        ("1e3", 1),
        ("99999999999999999999", 1),
        ("True", 1),
        ("'x'", 1),
        ("in[x].numel", 4),
        ("in[0:1].numel", 4),
        ("in[True].numel", 4),
        ("in[0].shape[in[0].numel]", 13),
        ("in[0].shape[0].real", 1),
        ("(lambda: 1)()", 1),
        ("[x for x in (1,)]", 8),
        ("in[0].numel if 1 else 2", 1),
        ("in[0].numel > 2", 1),
        ("2 +", 3),
        ("a; b", 2),
        ("max(1)", 1),
        ("min(*in)", 1),
        ("().__class__", 1),
        ("x" * (LONGEST + 1), None),
        ("-" * (DEEPEST + 2) + "1", DEEPEST + 2),
    ],
)
def test_anything_else_is_refused_at_the_line_of_the_price(text: str, column: int | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_price(text, PLACE)
    assert caught.value.place == PLACE
    assert column is None or caught.value.what.endswith(f", at column {column}")
    assert caught.value.help


@pytest.mark.parametrize(
    ("text", "noun", "nearest"),
    [
        ("inn[0].numel", "tensor", "in"),
        ("weight[0].numel", "tensor", None),
        ("numel", "tensor", None),
        ("in[0].numal", "property of a tensor", "numel"),
        ("in[0].__class__", "property of a tensor", None),
        ("maxx(1, 2)", "function", "max"),
        ("__import__('os')", "function", None),
        ("log2(2)", "function", None),
    ],
)
def test_a_name_that_is_unknown_is_refused_with_the_nearest(
    text: str, noun: str, nearest: str | None
) -> None:
    with pytest.raises(UnknownNameError, match=f"no {noun} named") as caught:
        parse_price(text, PLACE)
    assert caught.value.place == PLACE
    assert caught.value.help == (nearest and f"did you mean '{nearest}'?")


@given(st.text(st.sampled_from("in out[0].numel shape[-1]()+-*/%,2 9"), max_size=40))
def test_any_text_is_a_price_or_refused_at_its_line(text: str) -> None:
    trace = net(own(), prices=(price("mylib::attend", text),))
    try:
        cost = total_flops(trace)["macs"]
    except UsageError as error:
        place = error.place
    else:
        place = PLACE
        assert type(cost) is int
    assert place == PLACE


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("in[2].numel", "there is no in[2], only 2 of them"),
        ("in[-3].numel", "there is no in[-3], only 2 of them"),
        ("in[1].shape[2]", "a tensor of 2 axes has no shape[2]"),
        ("1 // (in[0].numel - 120)", "division by zero"),
        ("1 - out[0].numel", "it is negative"),
        ("2 ** 63", "it is too large"),
        ("9 ** 9 ** 9 ** 9", "it is too large"),
        ("2 ** -1", "the exponent is negative"),
    ],
)
def test_a_price_without_a_value_for_a_call_is_an_error_at_its_line(formula: str, why: str) -> None:
    trace = net(own(), prices=(price("mylib::attend", formula),))
    with pytest.raises(ConfigurationError) as caught:
        totals(trace)
    assert caught.value.what == f"'{formula}' has no value for a call of mylib::attend: {why}"
    assert caught.value.place == PLACE
    is_about_a_shape = "there is no" in why or "has no shape" in why
    way_out = "count tensors from 0" if is_about_a_shape else "max(0, …) and max(1, …)"
    assert way_out in (caught.value.help or "")


def test_a_tensor_that_is_left_out_has_no_shape() -> None:
    op = own(inputs=(X, None))
    with pytest.raises(ConfigurationError, match=r"in\[1\] is left out"):
        cost_of_call(net(op), op, price("mylib::attend", "in[1].numel"))


# Which calls a price counts for


def test_an_operator_without_a_price_gets_the_project_s_and_is_no_longer_uncounted() -> None:
    bare = net(own(), own(), own("mul"))
    assert uncounted(bare, CONVENTIONS["macs"]) == [
        Uncounted("mylib::attend", 2),
        Uncounted("mul", 1),
    ]
    trace = bare.with_prices((price("mylib::attend", "out[0].numel*in[1].shape[1]"),))
    assert uncounted(trace, CONVENTIONS["macs"]) == [Uncounted("mul", 1)]
    assert flops_by_operator(trace, CONVENTIONS["macs"]) == {"mylib::attend": (2, 2 * 240 * 4)}
    assert total_flops(trace) == {"fvcore": 0, "macs": 2 * 240 * 4, "torch": 0}
    assert own_figures(trace)["child"]["macs"] == totals(trace)["macs"] == 2 * 240 * 4
    assert list(used_prices(trace).values()) == [2]


def test_a_price_under_one_convention_changes_no_other() -> None:
    prices = (price("mylib::attend", "5", "fvcore"), price("mylib::attend", "7", "torch"))
    trace = net(own(), prices=prices)
    assert total_flops(trace) == {"fvcore": 5, "macs": 0, "torch": 7}
    assert used_prices(trace) == dict.fromkeys(prices, 1)


def test_a_call_in_place_has_the_same_price() -> None:
    trace = net(own("gelu_"), own("gelu"), prices=(price("gelu", "1"),))
    assert total_flops(trace)["macs"] == 2


@pytest.mark.parametrize("convention", ["fvcore", "macs", "torch"])
def test_what_a_convention_prices_keeps_its_price(convention: str, trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), Conditions())
    names = {op.name.strip("_") for op in trace.ops}
    priced = {charge.label for charge in charges(trace, CONVENTIONS[convention])}
    priced |= {"convolution", "conv2d"}
    left = {one.op for one in uncounted(trace, CONVENTIONS[convention])}
    prices = tuple(price(name, "1", convention) for name in names - left)
    assert priced & {one.op for one in prices}
    assert total_flops(trace.with_prices(prices)) == total_flops(trace)
    assert used_prices(trace.with_prices(prices)) == {}


def test_a_part_of_a_call_that_is_priced_in_part_may_get_a_price() -> None:
    whole = Op("attend", 1, (X,), (Y,), {}, composite=True)
    product, scores = own("bmm", parent=0), own("_softmax", parent=0)
    product = product._replace(inputs=(X, X))
    shapes = (Tensor((2, 4, 4), "float32", 0), *net().tensors[1:])
    trace = replace(net(whole, product, scores, prices=(price("softmax", "1"),)), tensors=shapes)
    assert [charge.label for charge in charges(trace, CONVENTIONS["macs"])] == ["bmm", "softmax"]


def test_a_call_made_of_several_kernels_has_its_price_once() -> None:
    whole = own(composite=True)
    parts = [own(name, parent=0) for name in ("mul", "exp", "sum")]
    trace = net(whole, *parts, prices=(price("mylib::attend", "3"), price("exp", "100")))
    assert total_flops(trace)["macs"] == 3


def test_an_operator_that_the_trace_does_not_have_changes_nothing(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), Conditions())
    priced = trace.with_prices((price("mylib::attend", "in[9].numel"),))
    assert totals(priced) == totals(trace)
    assert used_prices(priced) == {}


def test_activations_and_bytes_moved_have_no_prices_of_a_project(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), Conditions())
    priced = totals(trace.with_prices((price("hardswish", "out[0].numel"),)))
    changed = {name for name, count in totals(trace).items() if priced[name] != count}
    assert changed == {"macs"}


def test_prices_are_not_stored_with_a_trace() -> None:
    trace = net(own(), prices=(price("mylib::attend", "1"),))
    assert decode_trace(encode_trace(trace)) == trace.with_prices(())
    assert trace.with_prices(trace.prices) is trace
