from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ucseg_cli.analysis.comparing.comparison import (
    MODULE_METRICS,
    Comparison,
    Delta,
    ModuleDelta,
    TapDelta,
    compare,
)
from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import Variant, as_variant

TraceOf = Callable[[Variant, Conditions], Trace]
Compared = Callable[..., Comparison]


@pytest.fixture
def compared(trace_of: TraceOf) -> Compared:
    def between(before: str, after: str, *, depth: int, side: int = 512) -> Comparison:
        conditions = Conditions(Size(side, side))
        one, other = (
            Subject(name, trace_of(as_variant(name), conditions), as_variant(name))
            for name in (before, after)
        )
        return compare(one, other, depth=depth)

    return between


@settings(max_examples=12)
@given(st.data())
def test_the_deltas_of_the_modules_add_up_to_those_of_the_totals_at_every_depth(
    stored_variants: SearchStrategy[Variant],
    stored_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    conditions = data.draw(stored_conditions)
    before, after = (
        Subject(name, trace_of(variant, conditions), variant)
        for name, variant in (("a", data.draw(stored_variants)), ("b", data.draw(stored_variants)))
    )
    result = compare(before, after, depth=data.draw(st.integers(1, 6)))
    for metric in MODULE_METRICS:
        total = result.totals[metric]
        assert sum(module.figures[metric].before or 0 for module in result.modules) == total.before
        assert sum(module.figures[metric].after or 0 for module in result.modules) == total.after
        assert sum(module.figures[metric].delta for module in result.modules) == total.delta


@settings(max_examples=8)
@given(st.data())
def test_a_network_compared_with_itself_differs_in_nothing(
    stored_variants: SearchStrategy[Variant], trace_of: TraceOf, data: st.DataObject
) -> None:
    variant = data.draw(stored_variants)
    subject = Subject("self", trace_of(variant, Conditions(Size(32, 32))), variant)
    result = compare(subject, subject, depth=data.draw(st.integers(1, 6)))
    assert not result.axes
    assert {module.status for module in result.modules} == {"unchanged"}
    assert not any(tap.changed for tap in result.taps)
    assert {delta.change for delta in result.totals.values()} <= {0, None}


@settings(max_examples=8)
@given(st.data())
def test_the_opposite_comparison_has_the_opposite_deltas(
    stored_variants: SearchStrategy[Variant], trace_of: TraceOf, data: st.DataObject
) -> None:
    one, other = (
        Subject(name, trace_of(variant, Conditions(Size(32, 32))), variant)
        for name, variant in (("a", data.draw(stored_variants)), ("b", data.draw(stored_variants)))
    )
    there, back = compare(one, other, depth=3), compare(other, one, depth=3)
    assert {metric: -delta.delta for metric, delta in there.totals.items()} == {
        metric: delta.delta for metric, delta in back.totals.items()
    }
    swapped = {"new": "gone", "gone": "new", "changed": "changed", "unchanged": "unchanged"}
    assert {(m.path, m.own): swapped[m.status] for m in there.modules} == {
        (m.path, m.own): m.status for m in back.modules
    }


def test_v2_has_more_parameters_than_v1_and_fewer_operations(compared: Compared) -> None:
    totals = compared("v1", "v2", depth=1).totals
    assert totals["params"] == Delta(475_077, 645_245)
    assert totals["params"].change == Fraction(170_168, 475_077)
    assert totals["fvcore"] == Delta(886_253_696, 737_104_000)
    assert totals["fvcore"].delta == -149_149_696


def test_the_axes_that_differ_are_named(compared: Compared) -> None:
    axes = compared("v1", "v2", depth=1).axes
    assert [change.axis.name for change in axes] == [
        "backbone",
        "rates",
        "conv",
        "decoder_blocks",
        "dropout",
    ]


def statuses(comparison: Comparison) -> dict[str, str]:
    return {module.path: module.status for module in comparison.modules if not module.own}


def test_modules_of_one_side_are_new_or_gone(compared: Compared) -> None:
    forth = statuses(compared("v2", "v3", depth=1))
    back = statuses(compared("v3", "v2", depth=1))
    assert (forth["low_conv"], forth["refine"]) == ("new", "new")
    assert (back["low_conv"], back["refine"]) == ("gone", "gone")
    assert {forth[path] for path in ("features", "aspp", "mid_conv", "decoder", "classifier")} == {
        "unchanged"
    }


def test_the_low_level_skip_moves_work_between_the_root_s_own_upsamplings(
    compared: Compared,
) -> None:
    own = [module for module in compared("v2", "v3", depth=1).modules if module.own]
    # v3 upsamples the decoder's 64 channels to 128·128 as well
    assert [(module.path, module.figures["fvcore"].delta) for module in own] == [
        ("", 4 * 64 * 128 * 128)
    ]
    assert own[0].status == "changed"


def by_path(comparison: Comparison) -> dict[str, ModuleDelta]:
    return {module.path: module for module in comparison.modules if not module.own}


def test_branches_are_matched_by_what_they_do_and_not_by_their_index(compared: Compared) -> None:
    modules = by_path(compared("v1", "v2", depth=3))
    pooling = modules["aspp.branches[image pooling]"]  # branch 3 of v1, branch 4 of v2
    assert pooling.figures["params"] == Delta(96 * 64 + 2 * 64, 96 * 64 + 2 * 64)
    assert pooling.status == "unchanged"
    assert modules["aspp.branches[1×1]"].status == "unchanged"
    rate_6 = modules["aspp.branches[rate 6]"]  # regular in v1, separable in v2
    assert rate_6.figures["params"] == Delta(
        9 * 96 * 64 + 2 * 64, 9 * 96 + 2 * 96 + 96 * 64 + 2 * 64
    )
    assert rate_6.status == "changed"
    rate_18 = modules["aspp.branches[rate 18]"]
    assert rate_18.figures["params"] == Delta(None, 9 * 96 + 2 * 96 + 96 * 64 + 2 * 64)
    assert (rate_18.status, rate_18.figures["params"].change) == ("new", "new")
    assert not [path for path in modules if path.startswith("aspp.branches.")]


def test_roles_reach_below_the_branches(compared: Compared) -> None:
    modules = by_path(compared("v1", "v2", depth=4))
    assert modules["aspp.branches[image pooling].1"].figures["params"] == Delta(96 * 64, 96 * 64)
    assert modules["aspp.branches[rate 6].0"].status == "gone"
    assert modules["aspp.branches[rate 6].depthwise"].status == "new"


def test_two_branches_of_one_rate_are_two_rows(compared: Compared) -> None:
    modules = by_path(compared("v2+rates=6", "v2+rates=6,6", depth=3))
    assert modules["aspp.branches[rate 6]"].status == "unchanged"
    assert modules["aspp.branches[rate 6 #2]"].status == "new"


def test_a_model_outside_the_family_is_compared_by_path(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), Conditions(Size(64, 64)))
    result = compare(Subject("a", trace), Subject("b", trace, as_variant("v2")), depth=3)
    assert result.axes == ()
    assert statuses(result)["aspp.branches.1"] == "unchanged"
    assert "aspp.branches[rate 6]" not in statuses(result)


def test_a_tap_that_another_module_gives_has_changed_though_its_shape_has_not(
    compared: Compared,
) -> None:
    taps = {tap.name: tap for tap in compared("v1", "v2", depth=1).taps}
    high = taps["high"]
    assert high.before is not None
    assert high.after is not None
    assert (high.before.module, high.after.module) == ("features.9", "features.10")
    assert high.before.shape == high.after.shape
    assert [tap.changed for tap in taps.values()] == [False, False, True]


def test_a_tap_of_another_stride_has_changed(compared: Compared) -> None:
    taps = compared("v2", "v2+output_stride=16", depth=1).taps
    assert {tap.name: tap.changed for tap in taps} == {"low": False, "mid": False, "high": True}


def test_a_tap_of_one_side_only_has_changed() -> None:
    assert TapDelta("high", None, TapShape("high", "features.9", (1, 96, 16, 16), None)).changed


@pytest.mark.parametrize(
    ("delta", "difference", "change"),
    [
        (Delta(10, 15), 5, Fraction(1, 2)),
        (Delta(10, 10), 0, Fraction(0)),
        (Delta(0, 5), 5, None),  # no ratio of nothing
        (Delta(None, 5), 5, "new"),
        (Delta(5, None), -5, "gone"),
    ],
)
def test_a_change_is_a_ratio_or_a_word(
    delta: Delta, difference: int, change: Fraction | str | None
) -> None:
    assert (delta.delta, delta.change) == (difference, change)
