"""The module paths of the family are those that the networks have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from support.fixture_types import TraceOf
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import Variant, as_variant, layout

SMALL = Conditions(Size(64, 96), 3)


def types(trace: Trace, place: str, *children: str) -> list[str]:
    return [trace.by_path[f"{place}.{child}"].type for child in children]


@given(data=st.data())
def test_the_network_has_the_parts_of_the_layout_and_no_others(
    trace_of: TraceOf, stored_variants: SearchStrategy[Variant], data: DataObject
) -> None:
    variant = data.draw(stored_variants)
    trace = trace_of(variant, SMALL)
    skip = set() if variant.low_skip else {layout.LOW_CONV, layout.REFINE}
    children = {module.path for module in trace.modules if module.path.count(".") == 0}
    assert children - {""} == set(layout.PARTS) - skip
    head = {module.path for module in trace.modules if module.path.startswith(f"{layout.ASPP}.")}
    assert {path for path in head if path.count(".") == 1} == {layout.BRANCHES, layout.PROJECT}


@given(data=st.data())
def test_convs_and_batch_norms_stand_where_the_layout_says(
    trace_of: TraceOf, stored_variants: SearchStrategy[Variant], data: DataObject
) -> None:
    variant = data.draw(stored_variants)
    trace = trace_of(variant, SMALL)
    pair = ["Conv2d", "BatchNorm2d"]
    for place in (layout.FIRST_BRANCH, layout.PROJECT, layout.MID_CONV):
        assert types(trace, place, *layout.CONV_NORM) == pair
    last = f"{layout.BRANCHES}.{len(variant.rates) + 1}"
    assert types(trace, last, *layout.POOLED_CONV_NORM) == pair
    blocks = [f"{layout.DECODER}.0", f"{layout.BRANCHES}.1"]
    if variant.low_skip:
        assert types(trace, layout.LOW_CONV, *layout.CONV_NORM) == pair
        blocks.append(layout.REFINE)
    for block in blocks:
        if variant.conv == "separable":
            assert types(trace, block, *layout.SEPARABLE_START, *layout.SEPARABLE_END) == pair * 2
        else:
            assert types(trace, block, *layout.CONV_NORM) == pair
    assert trace.by_path[layout.CLASSIFIER_CONV].type == "Conv2d"


@given(data=st.data())
def test_the_taps_are_the_outputs_of_modules_of_the_backbone(
    trace_of: TraceOf, stored_variants: SearchStrategy[Variant], data: DataObject
) -> None:
    variant = data.draw(stored_variants)
    trace = trace_of(variant, SMALL)
    assert {tap.name: tap.module for tap in trace.taps} == variant.taps
    last = max(int(path.split(".")[1]) for path in trace.by_path if path.startswith("features."))
    assert variant.taps == {
        "low": "features.1",
        "mid": "features.3",
        "high": f"{layout.FEATURES}.{last}",
    }


def test_every_module_with_a_parameter_is_governed_by_an_axis(trace_of: TraceOf) -> None:
    variant = as_variant("v2+low_skip=16")
    owners = [
        module.path for module in trace_of(variant, Conditions()).modules if module.parameters
    ]
    assert [path for path in owners if not variant.governing_axes(path)] == []


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("aspp.branches.0", 0),
        ("aspp.branches.12.bn1", 12),
        ("aspp.branches", None),
        ("aspp.branches.x", None),
        ("head.aspp.branches.1", None),
        ("aspp.project.1", None),
        ("", None),
    ],
)
def test_the_branch_of_a_module_is_read_in_its_path(path: str, index: int | None) -> None:
    assert layout.branch_index(path) == index
