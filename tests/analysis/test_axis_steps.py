from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import DataObject, SearchStrategy
from hypothesis.strategies import data as any_data

from ucseg_cli.analysis.narrowing.axis_steps import argument_steps, family_steps, quarter_fewer
from ucseg_cli.facts.trace import REQUIRED, ConstructorAxis
from ucseg_cli.references import FromFile, Reference, parse_reference
from ucseg_cli.references.variants import AXES, Variant, as_variant


@pytest.mark.parametrize(
    ("channels", "fewer"),
    [(64, 48), (24, 18), (10, 8), (8, 6), (7, 6), (5, 4), (4, 3), (3, 2), (2, 1)],
)
def test_a_quarter_fewer_is_rounded_down_and_at_least_one(channels: int, fewer: int) -> None:
    assert quarter_fewer(channels) == fewer


STEPS = {
    "v2+backbone=4": [],
    "v2+backbone=5": [("backbone", ":4")],
    "v2+output_stride=16": [("output_stride", "32")],
    "v2+rates=6": [],
    "v2+rates=18,6,18": [("rates", "6,18")],
    "v2+conv=regular": [("conv", "separable")],
    "v2+decoder_blocks=1": [],
    "v2+aspp_channels=1": [],
    "v2+low_skip=1": [("low_skip", "0")],
    "v2+low_skip=16": [("low_skip", "12"), ("low_skip", "0")],
    "v2+head=before-upsample": [],
}


@pytest.mark.parametrize(("text", "expected"), STEPS.items())
def test_the_steps_of_an_axis_are_those_of_the_page(
    text: str, expected: list[tuple[str, str]]
) -> None:
    axis = text.partition("+")[2].partition("=")[0]
    steps, left_out = family_steps(Reference(text, as_variant(text)), as_variant(text))
    assert [(step.axis, step.after) for step in steps if step.axis == axis] == expected
    assert (axis in {row.axis for row in left_out}) == (not expected)


@given(any_data())
def test_a_step_s_reference_is_the_variant_that_differs_on_its_axis_alone(
    variants: SearchStrategy[Variant], data: DataObject
) -> None:
    variant = data.draw(variants)
    text = f"v2+{variant.key}"
    steps, left_out = family_steps(Reference(text, variant), variant)
    assert {step.axis for step in steps} | {row.axis for row in left_out} == {
        axis.name for axis in AXES
    }
    for step in steps:
        assert parse_reference(step.reference.name).model == step.reference.model
        model = step.reference.variant
        assert model is not None
        assert [a.name for a in AXES if getattr(model, a.name) != getattr(variant, a.name)] == [
            step.axis
        ]


def test_arguments_that_are_no_integers_have_no_step_and_need_no_reason() -> None:
    axes = [
        ConstructorAxis("width", 32, REQUIRED),
        ConstructorAxis("bias", value=True, default=True),
        ConstructorAxis("rate", 0.5, 0.5),
        ConstructorAxis("depth", 1, 1),
        ConstructorAxis("pad", 0, 0),
        ConstructorAxis("kernel", 7, 7, "Literal[1, 3, 7]", ("1", "3", "7", "None")),
        ConstructorAxis("side", 1, 1, "Literal[1, 3]", ("1", "3")),
    ]
    source = FromFile("a+b/net.py", "Net")
    steps, left_out = argument_steps("a+b/net.py:Net+width=32", source, axes)
    assert [(step.axis, step.after) for step in steps] == [
        ("width", "24"),
        ("depth", "0"),
        ("kernel", "3"),
    ]
    assert [row.axis for row in left_out] == ["pad", "side"]
    assert steps[0].reference.name == "a+b/net.py:Net+width=24"
    assert steps[1].reference.name == "a+b/net.py:Net+width=32+depth=0"
