from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.references.variants import AXES, CATALOGUE, Axis, as_variant, parse_variant
from ucseg_cli.references.variants.axes import BY_NAME
from ucseg_cli.references.variants.axis_values import Value


def test_a_name_is_a_named_variant() -> None:
    assert parse_variant("v2") == CATALOGUE["v2"]


def test_axes_are_changed_with_plus_signs() -> None:
    assert parse_variant(" v2+backbone=10+rates=6,12 ") == CATALOGUE["v2"]._replace(
        backbone=10, rates=(6, 12)
    )


def test_the_later_of_two_changes_of_one_axis_wins() -> None:
    assert as_variant("v2+backbone=10+backbone=12").backbone == 12


def test_a_variant_stands_for_itself() -> None:
    assert as_variant(CATALOGUE["v3"]) is CATALOGUE["v3"]


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("backbone=:10", 10),
        ("backbone=13", 13),
        ("output_stride=16", 16),
        ("rates=1", (1,)),
        ("rates= 6, 12 ,18", (6, 12, 18)),
        ("conv=regular", "regular"),
        ("decoder_blocks=64", 64),
        ("aspp_channels=65536", 65_536),
        ("low_skip=0", 0),
        ("head=before-upsample", "before-upsample"),
        ("dropout=0", 0.0),
        ("dropout=.25", 0.25),
        ("dropout=0.30", 0.3),
        ("classes=2", 2),
    ],
)
def test_each_axis_reads_its_values(assignment: str, value: Value) -> None:
    name = assignment.partition("=")[0]
    assert getattr(as_variant(f"v2+{assignment}"), name) == value


@pytest.mark.parametrize(
    "assignment",
    [
        "backbone=3",
        "backbone=14",
        "backbone=::10",
        "backbone=ten",
        "backbone=",
        "output_stride=8",
        "output_stride=016",
        "rates=",
        "rates=0",
        "rates=6,,12",
        "rates=6,",
        "rates=-6",
        "rates=65537",
        f"rates={','.join('1' * 33)}",
        "conv=seperable",
        "decoder_blocks=0",
        "decoder_blocks=65",
        "aspp_channels=0",
        "mid_channels=65537",
        "decoder_channels=1.5",
        "low_skip=-1",
        "head=before",
        "dropout=1",
        "dropout=-0.1",
        "dropout=1e-3",
        "dropout=nan",
        "classes=1",
        f"classes={'9' * 5000}",
    ],
)
def test_a_value_that_an_axis_does_not_accept_is_refused_with_what_it_accepts(
    assignment: str,
) -> None:
    name, _, value = assignment.partition("=")
    with pytest.raises(UsageError) as caught:
        parse_variant(f"v2+{assignment}")
    assert caught.value.what == f"'{value}' is not a value of the axis '{name}'"
    assert caught.value.where == f"v2+{assignment}"
    assert caught.value.notes == (f"accepts: {BY_NAME[name].accepts}",)
    assert caught.value.help


def test_a_value_nearly_right_is_suggested_and_otherwise_an_example_given() -> None:
    with pytest.raises(UsageError) as near:
        parse_variant("v2+conv=seperable")
    with pytest.raises(UsageError) as far:
        parse_variant("v2+conv=xyz")
    assert near.value.help == "did you mean 'conv=separable'?"
    assert far.value.help == "for example conv=regular"


def test_an_unknown_variant_lists_the_named_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        parse_variant("v22+backbone=10", where="ucseg.toml:3")
    assert caught.value.what == "no variant named 'v22'"
    assert caught.value.where == "ucseg.toml:3"
    assert caught.value.notes == ("known: v1, v2, v3",)
    assert "did you mean 'v2'?" in (caught.value.help or "")


def test_an_unknown_axis_lists_all_axes_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        parse_variant("v2+backbon=10")
    assert caught.value.what == "no axis named 'backbon'"
    assert caught.value.notes == (f"known: {', '.join(axis.name for axis in AXES)}",)
    assert "did you mean 'backbone'?" in (caught.value.help or "")


@pytest.mark.parametrize("text", ["v2+backbone", "v2+", "v2++backbone=10"])
def test_a_change_without_a_value_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="does not say what to change") as caught:
        parse_variant(text)
    assert caught.value.help == "write +AXIS=VALUE, as in v2+backbone=10"


@pytest.mark.parametrize("axis", AXES, ids=[axis.name for axis in AXES])
def test_every_example_of_an_axis_is_one_of_its_values_and_written_as_it_is_read(
    axis: Axis,
) -> None:
    assert [axis.write(axis.read(example)) for example in axis.examples] == list(axis.examples)


def test_only_the_backbone_is_shown_with_its_colon() -> None:
    shown = [axis.show(getattr(CATALOGUE["v2"], axis.name)) for axis in AXES]
    assert shown == [
        ":11",
        "32",
        "6,12,18",
        "separable",
        "2",
        "64",
        "24",
        "64",
        "0",
        "after-upsample",
        "0.3",
        "21",
    ]


@given(st.text(max_size=20))
def test_any_text_is_either_a_reference_or_a_usage_error(text: str) -> None:
    try:
        variant = parse_variant(text)
    except UsageError:
        return
    assert parse_variant(f"v1+{variant.key}") == variant


@given(
    st.sampled_from(AXES), st.text(alphabet="0123456789.,:e-+ ", max_size=8) | st.text(max_size=8)
)
def test_any_text_is_either_a_value_of_an_axis_or_a_usage_error(axis: Axis, text: str) -> None:
    try:
        value = axis.read(text)
    except UsageError:
        return
    assert axis.read(axis.write(value)) == value
