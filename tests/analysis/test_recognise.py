"""A user's own class is recognised as a variant of the family, and only where it is one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from support.fixture_types import TraceOf
from ucseg_cli.analysis.family.recognise import candidates, is_same_network, reference_to
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Op, Trace, Weight
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant

AT_64 = Conditions(Size(64, 64))


def recognised(trace: Trace, trace_of: TraceOf) -> list[Variant]:
    return [
        variant for variant in candidates(trace) if is_same_network(trace, trace_of(variant, AT_64))
    ]


@given(st.data())
def test_every_variant_is_recognised_as_itself_but_for_its_dropout(
    stored_variants: SearchStrategy[Variant], trace_of: TraceOf, data: DataObject
) -> None:
    variant = data.draw(stored_variants)
    found = recognised(trace_of(variant, AT_64), trace_of)
    assert variant._replace(dropout=0.0) in [other._replace(dropout=0.0) for other in found]


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_named_variants_are_recognised_by_name(name: str, trace_of: TraceOf) -> None:
    (found,) = recognised(trace_of(CATALOGUE[name], AT_64), trace_of)
    assert (found, reference_to(found, CATALOGUE)) == (CATALOGUE[name], name)


@pytest.mark.parametrize(
    "other",
    [
        "v2+rates=6,12,19",
        "v2+head=before-upsample",
        "v2+output_stride=16",
        "v2+classes=20",
        "v1",
        "v3",
    ],
)
def test_two_different_variants_are_not_the_same_network(other: str, trace_of: TraceOf) -> None:
    assert not is_same_network(
        trace_of(as_variant("v2"), AT_64), trace_of(as_variant(other), AT_64)
    )


def test_a_network_of_another_layout_or_that_did_not_run_is_no_candidate(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), AT_64)
    assert candidates(replace(trace, failure="it does not run")) == ()
    elsewhere = tuple(
        module._replace(path=module.path.replace("aspp", "head")) for module in trace.modules
    )
    assert candidates(replace(trace, modules=elsewhere)) == ()


def test_one_more_operator_makes_it_another_network(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), AT_64)
    assert not is_same_network(replace(trace, ops=(*trace.ops, trace.ops[-1])), trace)


def test_a_parameter_more_makes_it_another_network(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), AT_64)
    first = trace.modules[1]
    more = first._replace(parameters=(*first.parameters, Weight("extra", 0, trainable=True)))
    modules = tuple(more if module is first else module for module in trace.modules)
    assert not is_same_network(replace(trace, modules=modules), trace)


def test_views_and_writes_in_place_do_not_make_it_another_network(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), AT_64)
    assert any(op.name == "relu_" for op in trace.ops)
    ops = tuple(op._replace(name=op.name.removesuffix("_")) for op in trace.ops)
    alias = trace.tensors[trace.inputs[0]]
    view = Op("view", 0, trace.inputs, (len(trace.tensors),), {})
    viewed = replace(trace, ops=(*ops, view), tensors=(*trace.tensors, alias))
    assert is_same_network(viewed, trace)


def test_an_atrous_branch_without_a_3x3_conv_is_not_of_the_family(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), AT_64)
    branch = next(i for i, m in enumerate(trace.modules) if m.path.startswith("aspp.branches.2."))
    ops = tuple(
        op._replace(name="fft") if op.module >= branch and op.name == "convolution" else op
        for op in trace.ops
    )
    assert candidates(replace(trace, ops=ops)) == ()


def test_the_order_of_the_operators_does_not_matter(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), AT_64)
    assert is_same_network(replace(trace, ops=trace.ops[::-1]), trace)


def test_a_variant_is_named_after_the_nearest_named_one() -> None:
    assert reference_to(as_variant("v1+classes=19"), CATALOGUE) == "v1+classes=19"
    assert reference_to(as_variant("v3"), {**CATALOGUE, "mine": as_variant("v3")}) in {"v3", "mine"}
