from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from support.fixture_types import TraceOf
from ucseg_cli.analysis.family.axes_from_shapes import UNSEEN, expected_shapes, read_axes, visible
from ucseg_cli.analysis.family.fit_checkpoint import (
    Identification,
    by_module,
    identify,
    propose,
)
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.state_dict import Entry, StateDict
from ucseg_cli.references import parse_reference
from ucseg_cli.references.variants import AXES, CATALOGUE, Variant, as_variant

Identify = Callable[..., Identification]
Shapes = dict[str, tuple[int, ...]]


@pytest.fixture(scope="session")
def shapes_of(trace_of: TraceOf) -> Callable[[str | Variant], Shapes]:
    return lambda model: expected_shapes(trace_of(as_variant(model), Conditions()))


@pytest.fixture(scope="session")
def identified(trace_of: TraceOf) -> Identify:
    def run(shapes: Shapes, named: dict[str, Variant] | None = None, **more: Any) -> Identification:
        state = StateDict(
            tuple(Entry(name, shape, "float32") for name, shape in shapes.items()),
            "torch",
            versioned=frozenset(name.rpartition(".")[0] for name in shapes),
        )
        candidate = propose(state._replace(**more), named or {**CATALOGUE}, "v2")
        return identify(candidate, trace_of(candidate.variant, Conditions()))

    return run


@pytest.mark.parametrize(
    "name",
    [
        "v1",
        "v2",
        "v3",
        "v1+classes=19",
        "v2+backbone=13",
        "v2+aspp_channels=5+low_skip=7",
        "v2+mid_channels=9",
    ],
)
def test_a_state_dict_of_a_variant_fits_it_by_the_shortest_name(
    shapes_of: Callable[[str], Shapes], identified: Identify, name: str
) -> None:
    found = identified(shapes_of(as_variant_name(name)))
    assert found.loading.is_strict
    assert found.candidate.name == name
    assert found.loading.matched == found.loading.expected


def as_variant_name(name: str) -> Any:
    return parse_reference(name).variant


@given(data=st.data())
def test_every_axis_that_shapes_determine_is_read_and_only_those(
    shapes_of: Callable[[Variant], Shapes],
    stored_variants: SearchStrategy[Variant],
    data: DataObject,
) -> None:
    variant = data.draw(stored_variants)
    seen = read_axes(shapes_of(variant))
    assert seen == {
        axis.name: visible(variant, axis.name)
        for axis in AXES
        if axis.name not in UNSEEN - {"rates"}
    }


@given(data=st.data())
def test_any_variant_fits_what_it_looks_like(
    shapes_of: Callable[[Variant], Shapes],
    identified: Identify,
    stored_variants: SearchStrategy[Variant],
    data: DataObject,
) -> None:
    variant = data.draw(stored_variants)
    found = identified(shapes_of(variant))
    assert found.loading.is_strict
    assert as_variant_name(found.candidate.name) == found.candidate.variant
    assert all(
        visible(variant, axis.name) == visible(found.candidate.variant, axis.name) for axis in AXES
    )


def test_an_axis_that_no_shape_shows_is_as_in_the_nearest_named_variant(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    found = identified(
        shapes_of("v2+output_stride=16+head=before-upsample+dropout=0.1+rates=1,2,3")
    )
    readings = {reading.axis.name: reading for reading in found.candidate.readings}
    assert found.loading.is_strict
    assert {name for name, reading in readings.items() if reading.seen is None} == {
        "output_stride",
        "head",
        "dropout",
    }
    assert readings["rates"] == (readings["rates"].axis, (6, 12, 18), "number", "v2")
    assert {reading.source for reading in readings.values() if reading.seen == "shapes"} == {None}


def test_every_named_variant_that_looks_the_same_is_listed(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    named = {
        **CATALOGUE,
        "dense": as_variant_name("v2+output_stride=16"),
        "wide": as_variant_name("v2+rates=1,2"),
    }
    assert identified(shapes_of("v2"), named).candidate.alike == ("v2", "dense")
    assert identified(shapes_of("v2+classes=5"), named).candidate.alike == ()


def test_rates_of_another_number_are_those_of_a_named_variant_or_a_guess(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    two, four, one = (
        {reading.axis.name: reading for reading in identified(shapes_of(name)).candidate.readings}[
            "rates"
        ]
        for name in ("v2+rates=5,9", "v2+rates=1,2,3,4", "v2+rates=7")
    )
    assert (two.value, two.seen, two.source) == ((6, 12), "number", "v1")
    assert (four.value, four.seen, four.source) == ((6, 12, 18, 24), "number", None)
    assert (one.value, one.source) == ((6,), None)


@pytest.mark.parametrize(
    "outer", ["net.", "model.student.", "features.", "decoder.0.", "classifier.net.", "aspp.aspp."]
)
def test_a_network_that_was_a_module_of_another_is_found(
    shapes_of: Callable[[str], Shapes], identified: Identify, outer: str
) -> None:
    found = identified({outer + name: shape for name, shape in shapes_of("v3").items()})
    assert (found.loading.is_strict, found.candidate.name, found.candidate.state.prefix) == (
        True,
        "v3",
        outer,
    )


@pytest.mark.parametrize(
    ("beside", "kinds"),
    [
        ({"loss.weight": (21,)}, {"loss.weight": "unexpected"}),
        ({"net.aux.0.weight": (3, 2)}, {"aux.0.weight": "unexpected"}),
        ({f"metric.{index}": (2,) for index in range(600)}, None),
        ({"ema.n_averaged": ()}, {"ema.n_averaged": "unexpected"}),
        ({"features.0.0.weight": (16, 3, 3, 3)}, {"net.features.0.0.weight": "unexpected"}),
        ({"weight": (3,)}, {"weight": "unexpected"}),
    ],
)
def test_what_stands_beside_a_network_under_a_prefix_is_all_that_differs(
    shapes_of: Callable[[str], Shapes],
    identified: Identify,
    beside: Shapes,
    kinds: dict[str, str] | None,
) -> None:
    found = identified({f"net.{name}": shape for name, shape in shapes_of("v3").items()} | beside)
    assert (found.candidate.name, found.candidate.state.prefix) == ("v3", "net.")
    differing = {difference.name: difference.kind for difference in found.loading.differences}
    assert differing == (kinds or dict.fromkeys(beside, "unexpected"))
    assert found.loading.matched == found.loading.expected


def test_differences_say_what_is_missing_unexpected_and_of_another_shape(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    shapes = shapes_of("v2")
    del shapes["decoder.1.bn1.weight"]
    shapes |= {"classifier.1.weight": (21, 60, 1, 1), "extra.weight": (3,)}
    found = identified(shapes, left_out=("epoch",))
    assert found.candidate.name == "v2"
    assert [tuple(difference) for difference in found.loading.differences] == [
        ("missing", "decoder.1.bn1.weight", (64,), None),
        ("shape", "classifier.1.weight", (21, 64, 1, 1), (21, 60, 1, 1)),
        ("unexpected", "extra.weight", None, (3,)),
        ("unexpected", "epoch", None, None),
    ]
    assert list(by_module(found.loading.differences)) == ["decoder.1", "classifier.1", "extra", ""]
    assert found.loading.matched == found.loading.expected - 2


def test_one_tensor_that_was_changed_by_hand_does_not_mislead_an_axis(
    shapes_of: Callable[[str], Shapes],
) -> None:
    shapes = shapes_of("v2")
    shapes |= {"aspp.project.0.weight": (7, 320, 1, 1), "classifier.1.weight": (21, 60, 1, 1)}
    assert (read_axes(shapes)["aspp_channels"], read_axes(shapes)["decoder_channels"]) == (64, 64)


@pytest.mark.parametrize("versioned", [True, False])
def test_counters_of_before_there_were_any_are_missed_only_where_a_version_promises_them(
    shapes_of: Callable[[str], Shapes],
    identified: Identify,
    versioned: bool,  # noqa: FBT001 - a parameter
) -> None:
    shapes = {
        name: shape
        for name, shape in shapes_of("v2").items()
        if not name.endswith("num_batches_tracked")
    }
    found = identified(shapes) if versioned else identified(shapes, versioned=frozenset())
    assert found.loading.is_strict is not versioned
    assert found.loading.added == (0 if versioned else 44)
    assert found.loading.matched == 254


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"layer1.0.conv1.weight": (64, 64, 3, 3), "fc.weight": (1000, 2048)},
        {f"features.{n}.1.num_batches_tracked": () for n in range(5)},
        {
            "features.0.0.weight": (32, 3, 3, 3),
            "features.18.0.weight": (1280, 320, 1, 1),
            "classifier.1.weight": (9, 8),
        },
        {"features.99999999999999999999.weight": (1,), "decoder.5000.0.weight": (2**70, 1, 3, 3)},
        {"features": (1,), ".": (), "aspp.branches.": (2,), "classifier.1.weight": ()},
    ],
)
def test_a_state_dict_of_another_network_is_not_related(
    identified: Identify, shapes: Shapes
) -> None:
    found = identified(shapes)
    assert not found.loading.is_strict
    assert not found.related


def one_module_after_another(shapes: Shapes, entries: int) -> Shapes:
    """The first *entries* that are not counters, which look the same in every network."""
    kept = [name for name in shapes if not name.endswith("num_batches_tracked")]
    return {name: shapes[name] for name in kept[:entries]}


@pytest.mark.parametrize(("shared", "related"), [(14, False), (15, True)])
def test_a_twentieth_of_the_expected_entries_makes_it_one_of_the_family(
    shapes_of: Callable[[str], Shapes],
    identified: Identify,
    shared: int,
    related: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    shapes = one_module_after_another(shapes_of("v2+backbone=11"), shared)
    # the last entry of the backbone says how long it is; its own shape is another
    found = identified(shapes | {"features.10.0.weight": (1,)})
    assert (found.loading.expected, found.shared) == (298, shared)
    assert 20 * 14 < 298 <= 20 * 15
    assert found.related is related


@pytest.mark.parametrize(("expected", "related"), [(20, True), (21, False)])
def test_one_shared_entry_is_enough_for_twenty_that_are_expected(
    identified: Identify,
    expected: int,
    related: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    found = identified({})
    few = found._replace(loading=found.loading._replace(expected=expected), shared=1)
    assert few.related is related


def test_counters_of_batch_norm_are_not_shared_entries(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    counters = {name: () for name in shapes_of("v2") if name.endswith("num_batches_tracked")}
    found = identified(counters)
    assert len(counters) == 44
    assert (found.shared, found.related) == (0, False)


def test_a_counter_that_is_there_but_is_not_a_tensor_is_not_missing_and_stops_torch(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    shapes, counter = shapes_of("v2"), "features.0.1.num_batches_tracked"
    del shapes[counter]
    assert identified(shapes).loading.added == 0  # with versions, torch adds none
    assert identified(shapes, versioned=frozenset()).loading.is_strict
    found = identified(shapes, versioned=frozenset(), left_out=(counter,))
    assert [(difference.kind, difference.name) for difference in found.loading.differences] == [
        ("layout", counter)
    ]


def test_rates_of_the_right_number_are_those_of_the_base(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    v2 = as_variant_name("v2")
    candidate = identified(shapes_of("v2"), {"a": v2._replace(rates=(1, 2, 3)), "v2": v2}).candidate
    rates = {reading.axis.name: reading for reading in candidate.readings}["rates"]
    assert (rates.value, rates.source) == (v2.rates, "v2")


@pytest.mark.parametrize("axis", ["classes", "aspp_channels", "mid_channels", "decoder_channels"])
def test_a_width_beyond_what_an_axis_accepts_is_not_read(
    shapes_of: Callable[[str], Shapes], axis: str
) -> None:
    shapes = shapes_of("v2")
    for most, is_read in ((2**16, True), (2**16 + 1, False)):
        wide = {
            name: tuple(most if side in {21, 24, 64} else side for side in shape)
            for name, shape in shapes.items()
        }
        assert (axis in read_axes(wide)) is is_read


def test_an_index_of_five_digits_is_not_a_child() -> None:
    assert read_axes({"decoder.0063.0.weight": (1, 1, 3, 3)})["decoder_blocks"] == 64
    assert "decoder_blocks" not in read_axes({"decoder.00063.0.weight": (1, 1, 3, 3)})


def test_two_branches_of_the_aspp_are_not_rates() -> None:
    def branches(count: int) -> Shapes:
        return {f"aspp.branches.{index}.0.weight": (4, 4, 3, 3) for index in range(count)}

    assert read_axes(branches(3))["rates"] == 1
    assert "rates" not in read_axes(branches(2))
    assert "rates" not in read_axes(branches(1))


def test_the_kind_of_most_blocks_is_the_kind_of_all() -> None:
    regular = {f"decoder.{index}.0.weight": (8, 8, 3, 3) for index in range(2)}
    pointwise = {f"aspp.branches.{index}.0.weight": (8, 8, 1, 1) for index in range(9)}
    separable = {f"decoder.{index}.depthwise.weight": (8, 1, 3, 3) for index in range(3)}
    assert read_axes({**regular, **pointwise})["conv"] == "regular"
    assert read_axes({**regular, **separable, **pointwise})["conv"] == "separable"
    assert "conv" not in read_axes({"features.0.0.weight": (16, 3, 3, 3)})


def test_without_a_trace_of_the_low_level_skip_its_width_is_0() -> None:
    decoder = {"decoder.0.0.weight": (8, 8, 3, 3)}
    assert read_axes(decoder)["low_skip"] == 0
    assert read_axes({**decoder, "low_conv.0.weight": (5, 16, 1, 1)})["low_skip"] == 5
    assert "low_skip" not in read_axes({**decoder, "refine.0.weight": (8, 8, 3, 3)})
    assert "low_skip" not in read_axes({})


def test_scalars_saved_before_torch_0_4_have_one_element_and_load(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    shapes = shapes_of("v2")
    counter = "features.0.1.num_batches_tracked"
    assert identified(shapes | {counter: (1,)}).loading.is_strict
    assert not identified(shapes | {counter: (1, 1)}).loading.is_strict
    assert not identified(shapes | {counter: (2,)}).loading.is_strict


def test_a_tensor_that_is_not_dense_differs_in_its_layout(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    entries = [Entry(name, shape, "float32") for name, shape in shapes_of("v2").items()]
    entries[0] = entries[0]._replace(layout="sparse_coo")
    found = identified({}, entries=tuple(entries))
    assert [(difference.kind, difference.name) for difference in found.loading.differences] == [
        ("layout", "features.0.0.weight")
    ]


@pytest.mark.parametrize(("prefix", "fits"), [("", False), ("module.", True)])
def test_the_counter_of_an_averaged_model_goes_with_its_prefix(
    shapes_of: Callable[[str], Shapes],
    identified: Identify,
    prefix: str,
    fits: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    found = identified(shapes_of("v2"), left_out=("n_averaged",), prefix=prefix)
    assert found.loading.is_strict is fits


def test_where_two_named_variants_are_as_near_the_default_is_the_base(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    v2 = as_variant_name("v2")
    for first, other in (("a", "v2"), ("v2", "a")):
        named = {first: v2, other: v2}
        assert identified(shapes_of("v2+classes=5"), named).candidate.name == "v2+classes=5"


def test_the_backbone_alone_is_of_the_family(
    shapes_of: Callable[[str], Shapes], identified: Identify
) -> None:
    found = identified(
        {name: shape for name, shape in shapes_of("v2").items() if name.startswith("features.")}
    )
    assert found.related
    assert {difference.kind for difference in found.loading.differences} == {"missing"}
    assert {reading.axis.name for reading in found.candidate.readings if reading.seen} == {
        "backbone"
    }
