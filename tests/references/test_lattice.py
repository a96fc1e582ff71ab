from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.lattices import counted_axes, family_lattice
from ucseg_cli.references.designs import MAX_CHANGES
from ucseg_cli.references.variants import AXES, CATALOGUE, Variant, as_variant

UNCOUNTED = [axis for axis in AXES if not axis.counted]


@settings(max_examples=50)
@given(st.data())
def test_each_variant_takes_its_axes_from_the_candidate_and_the_others_from_the_baseline(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    before, after = data.draw(variants), data.draw(variants)
    for taken, variant in family_lattice(before, after).items():
        for axis in AXES:
            side = after if axis.name in taken else before
            assert getattr(variant, axis.name) == getattr(side, axis.name)


@settings(max_examples=50)
@given(st.data())
def test_the_ends_are_the_two_variants_up_to_what_is_not_counted(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    before, after = data.draw(variants), data.draw(variants)
    found = family_lattice(before, after)
    everything = frozenset(counted_axes(before, after))
    assert found[frozenset()] == before
    assert (
        found[everything]._replace(**{axis.name: getattr(after, axis.name) for axis in UNCOUNTED})
        == after
    )


@settings(max_examples=50)
@given(st.data())
def test_every_subset_is_there_once_or_a_bounded_path(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    before, after = data.draw(variants), data.draw(variants)
    names = counted_axes(before, after)
    found = family_lattice(before, after)
    assert len(set(found.values())) == len(found)
    if len(names) <= MAX_CHANGES:
        assert len(found) == 2 ** len(names)
        return
    assert len(found) <= 3 * len(names) + 1
    everything = frozenset(names)
    assert found.keys() >= {frozenset({name}) for name in names} | {
        everything - {name} for name in names
    }
    assert found.keys() >= {frozenset(names[:length]) for length in range(len(names) + 1)}


def test_v1_and_v2_have_four_changes_that_count() -> None:
    v1, v2 = CATALOGUE["v1"], CATALOGUE["v2"]
    assert counted_axes(v1, v2) == ["backbone", "rates", "conv", "decoder_blocks"]
    assert len(family_lattice(v1, v2)) == 16


def test_a_variant_and_itself_are_one_point() -> None:
    v2 = CATALOGUE["v2"]
    assert family_lattice(v2, v2) == {frozenset(): v2}
    assert family_lattice(v2, as_variant("v2+dropout=0.9")) == {frozenset(): v2}


def test_dropout_is_the_one_axis_that_changes_no_count() -> None:
    assert [axis.name for axis in UNCOUNTED] == ["dropout"]
