from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ucseg_cli.references.variants import (
    AXES,
    BASELINE,
    CATALOGUE,
    DEFAULT,
    ORIGINS,
    Variant,
    as_variant,
    changes,
    parse_variant,
)
from ucseg_cli.references.variants.axes import BY_NAME


def test_a_variant_has_one_field_for_each_axis_in_the_same_order() -> None:
    assert list(Variant._fields) == [axis.name for axis in AXES]


def test_v2_differs_from_v1_on_the_axes_that_the_revision_names() -> None:
    assert list(map(str, changes(CATALOGUE["v1"].values, CATALOGUE["v2"].values))) == [
        "backbone :10 → :11",
        "rates 6,12 → 6,12,18",
        "conv regular → separable",
        "decoder_blocks 1 → 2",
        "dropout 0.5 → 0.3",
    ]


def test_v3_is_v2_with_the_low_level_skip() -> None:
    assert list(map(str, changes(CATALOGUE["v2"].values, CATALOGUE["v3"].values))) == [
        "low_skip 0 → 16"
    ]


def test_all_named_variants_share_the_axes_that_the_table_says() -> None:
    for variant in CATALOGUE.values():
        shared = (
            variant.output_stride,
            variant.aspp_channels,
            variant.mid_channels,
            variant.decoder_channels,
        )
        assert shared == (32, 64, 24, 64)
        assert (variant.head, variant.classes) == ("after-upsample", 21)


def test_every_named_variant_says_where_it_comes_from() -> None:
    assert ORIGINS.keys() == CATALOGUE.keys()
    assert {BASELINE, DEFAULT} <= CATALOGUE.keys()


def test_the_high_tap_is_the_last_entry_kept() -> None:
    assert as_variant("v2+backbone=4").taps == {
        "low": "features.1",
        "mid": "features.3",
        "high": "features.3",
    }
    assert as_variant("v2").taps["high"] == "features.10"


def test_a_branch_is_named_by_what_it_does() -> None:
    assert as_variant("v1").roles() == {
        "aspp.branches.0": "aspp.branches[1×1]",
        "aspp.branches.1": "aspp.branches[rate 6]",
        "aspp.branches.2": "aspp.branches[rate 12]",
        "aspp.branches.3": "aspp.branches[image pooling]",
    }


def test_branches_of_one_rate_are_numbered() -> None:
    assert list(as_variant("v2+rates=6,12,6,6").roles().values()) == [
        "aspp.branches[1×1]",
        "aspp.branches[rate 6]",
        "aspp.branches[rate 12]",
        "aspp.branches[rate 6 #2]",
        "aspp.branches[rate 6 #3]",
        "aspp.branches[image pooling]",
    ]


@given(st.data())
def test_no_two_branches_have_one_role(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    variant = data.draw(variants)
    assert len(set(variant.roles().values())) == len(variant.roles()) == len(variant.rates) + 2


@given(st.data())
def test_a_variant_s_key_is_a_reference_to_itself(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    variant = data.draw(variants)
    assert parse_variant(f"v1+{variant.key}") == variant


@given(st.data())
def test_two_variants_have_one_key_only_if_they_are_equal(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    one = data.draw(variants)
    axis = data.draw(st.sampled_from(AXES))
    other = one._replace(**{axis.name: getattr(data.draw(variants), axis.name)})
    assert (one.key == other.key) == (one == other)


@given(st.data())
def test_the_changes_lead_from_one_variant_to_the_other(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    before, after = data.draw(variants), data.draw(variants)
    differing = {change.axis.name: change.after for change in changes(before.values, after.values)}
    assert all(getattr(before, name) != value for name, value in differing.items())
    assert before._replace(**differing) == after  # type: ignore[arg-type]  # each value is of its own axis


@given(st.integers(0, 10**15 - 1))
def test_a_probability_of_up_to_fifteen_digits_is_written_as_it_is_read(digits: int) -> None:
    axis = BY_NAME["dropout"]
    value = axis.read(f"0.{digits:015d}")
    assert axis.read(axis.write(value)) == value
    assert axis.write(value) == f"0.{digits:015d}".rstrip("0").rstrip(".")
