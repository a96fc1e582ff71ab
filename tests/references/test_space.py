"""Spaces: a variant is an index, and everything about it follows from that."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.references import Argument, FromFile, Reference, parse_reference
from ucseg_cli.references.space import Space, VariedAxis
from ucseg_cli.references.variants import CATALOGUE, Variant

V2 = CATALOGUE["v2"]
VALUES: dict[str, list[Any]] = {
    "backbone": [9, 11, 4, 13],
    "rates": [(6,), (6, 12), (6, 12, 18)],
    "conv": ["separable", "regular"],
    "dropout": [0.3, 0.0, 0.25],
}
NAMES = ("v2", "v3", "v2+backbone=9", "v2+rates=6,12+backbone=4+classes=3")


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    base = parse_reference(draw(st.sampled_from(NAMES)))
    names = draw(st.lists(st.sampled_from([*VALUES]), unique=True))
    axes = []
    for name in names:
        values = draw(st.lists(st.sampled_from(VALUES[name]), min_size=1, unique=True))
        axes.append(VariedAxis(name, tuple(values), getattr(base.model, name)))
    return Space(base, tuple(axes))


@given(spaces())
def test_variants_are_the_product_of_the_axes_with_the_last_the_fastest(space: Space) -> None:
    variants = list(product(*(axis.values for axis in space.axes)))
    assert space.size == len(variants)
    assert [space.values_at(index) for index in range(space.size)] == variants
    digits = list(space.all_digits())
    assert [space.digits_at(index) for index in range(space.size)] == digits
    assert list(map(space.index_of, digits)) == list(range(space.size))


@given(spaces())
def test_a_reference_names_its_variant_and_is_no_longer_than_it_needs(space: Space) -> None:
    references = list(space.references())
    assert references == [space.reference_at(index) for index in range(space.size)]
    assert len(set(references)) == space.size
    for index, name in enumerate(references):
        variant = space.model_at(index)
        assert parse_reference(name).model == variant
        names = [axis.name for axis in space.axes]
        axes = dict(zip(names, space.values_at(index), strict=True))
        base = space.base.model
        assert isinstance(base, Variant)
        assert variant == base._replace(**axes)  # type: ignore[arg-type]
        changed = {name for name in axes if axes[name] != getattr(base, name)}
        assert set(space.changed_at(index)) == changed
        assert space.find(variant) == index


@given(spaces())
def test_the_base_is_a_variant_if_all_its_values_are_in_the_space(space: Space) -> None:
    is_in = all(axis.base in axis.values for axis in space.axes)
    assert (space.base_index is not None) == is_in
    if space.base_index is not None:
        assert space.model_at(space.base_index) == space.base.model
        assert space.reference_at(space.base_index) == space.base.name
    assert space.find(V2._replace(classes=77)) is None


def test_an_axis_that_the_base_names_stays_in_its_place() -> None:
    axis = VariedAxis("backbone", (9, 10), 10)
    space = Space(parse_reference("v2+backbone=10+rates=6"), (axis,))
    assert list(space.references()) == ["v2+backbone=9+rates=6", "v2+backbone=10+rates=6"]


NET = FromFile("net.py", "Net", (Argument("note", "a+b=1"), Argument("width", "6")))


def test_a_design_of_a_user_keeps_its_arguments_and_says_only_what_changes() -> None:
    axes = (VariedAxis("width", ("6", "8"), "6"), VariedAxis("act", ("ReLU", "GELU"), "ReLU"))
    space = Space(Reference("net.py:Net+note=a+width=6", NET), axes)
    assert list(space.references()) == [
        "net.py:Net+note=a+width=6",
        "net.py:Net+note=a+width=6+act=GELU",
        "net.py:Net+note=a+width=8",
        "net.py:Net+note=a+width=8+act=GELU",
    ]
    assert space.model_at(0) == NET
    assert space.model_at(3) == NET._replace(
        arguments=(NET.arguments[0], Argument("width", "8"), Argument("act", "GELU"))
    )


@pytest.mark.parametrize(
    ("arguments", "index"),
    [
        ({}, None),
        ({"note": "a+b=1"}, 1),
        ({"note": "a+b=1", "width": "0x8", "act": "'ReLU'"}, 1),
        ({"note": "a+b=1", "width": "6", "act": "ReLU"}, 0),
        ({"note": "a+b=1", "width": "6.0"}, None),
        ({"note": "a+b=1", "width": "7"}, None),
        ({"note": "a+b=1", "bias": "1"}, None),
    ],
)
def test_a_model_is_found_however_it_is_spelled(
    arguments: dict[str, str], index: int | None
) -> None:
    axes = (VariedAxis("act", ("ReLU",), "ReLU"), VariedAxis("width", ("6", "8"), "8"))
    space = Space(Reference("net.py:Net", NET._replace(arguments=NET.arguments[:1])), axes)
    asked = tuple(Argument(name, text) for name, text in arguments.items())
    assert space.find(NET._replace(arguments=asked)) == index
    assert space.find(NET._replace(arguments=asked, name="Other")) is None
    assert space.find(V2) is None


def test_scripts_get_the_values_that_python_reads() -> None:
    assert VariedAxis("a", ("1", "true", "x", "1,2")).plain == (1, True, "x", (1, 2))
    assert VariedAxis("rates", ((6, 12),)).plain == ((6, 12),)


def test_a_space_without_axes_is_its_base() -> None:
    space = Space(parse_reference("v2"), ())
    assert (space.size, space.base_index, list(space.references())) == (1, 0, ["v2"])
    assert space.model_at(0) == V2
