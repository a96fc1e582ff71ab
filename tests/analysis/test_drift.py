from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.fixture_types import TraceOf
from support.locked_trees import TreeOf, trees_from
from ucseg_cli.analysis.comparing.drift import Drift, drift, locked_tree
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import own_figures, totals
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.lock import Locked, Tree, leaves
from ucseg_cli.facts.trace import Trace
from ucseg_cli.project.lock_file import NAME, read_lock, write_lock
from ucseg_cli.references.variants import AXES, CATALOGUE, Variant
from ucseg_cli.references.variants.variant import changes

Models = Callable[[st.DataObject], tuple[Variant, Trace, Tree]]


@pytest.fixture(scope="session")
def tree_of(trace_of: TraceOf) -> TreeOf:
    """The figures that a lock records of a model at square sizes."""
    return trees_from(trace_of)


@pytest.fixture(scope="session")
def any_model(
    stored_variants: SearchStrategy[Variant],
    stored_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
) -> Models:
    """A variant, its trace on some input, and what a lock keeps of it there."""

    def draw(data: st.DataObject) -> tuple[Variant, Trace, Tree]:
        variant = data.draw(stored_variants)
        trace = trace_of(variant, data.draw(stored_conditions))
        return variant, trace, locked_tree({"here": Subject("m", trace, variant)})

    return draw


def table(tree: Tree, *names: str) -> Mapping[str, Any]:
    """The part of a tree under these names."""
    found: Any = tree
    for name in names:
        found = found[name]
    assert isinstance(found, Mapping)
    return found


@given(st.data())
def test_every_total_and_axis_is_what_every_other_command_says(
    any_model: Models, data: st.DataObject
) -> None:
    variant, trace, tree = any_model(data)
    assert {**table(tree, "total"), **table(tree, "sizes", "here", "total")} == totals(trace)
    assert table(tree, "axes") == {
        axis.name: axis.write(getattr(variant, axis.name)) for axis in AXES
    }


@given(st.data())
def test_every_figure_of_a_module_is_its_own(any_model: Models, data: st.DataObject) -> None:
    _, trace, tree = any_model(data)
    kept = (table(tree, "weights"), table(tree, "sizes", "here", "modules"))
    for path, figures in own_figures(trace).items():
        kept_by_module = (*PARAM_METRICS, *CONVENTIONS)
        own = {name: figures[name] for name in kept_by_module if figures[name]}
        assert {**kept[0].get(path, {}), **kept[1].get(path, {})} == own
    assert kept[0].keys() | kept[1].keys() <= own_figures(trace).keys()


@given(st.data())
def test_the_modules_of_a_lock_add_up_to_its_totals(any_model: Models, data: st.DataObject) -> None:
    _, _, tree = any_model(data)
    here = table(tree, "sizes", "here")
    for rows, whole, metrics in (
        (table(tree, "weights"), table(tree, "total"), PARAM_METRICS),
        (here["modules"], here["total"], tuple(CONVENTIONS)),
    ):
        assert {name: sum(row.get(name, 0) for row in rows.values()) for name in metrics} == {
            name: whole[name] for name in metrics
        }


@given(st.data())
def test_every_tap_has_its_module_shape_and_stride(any_model: Models, data: st.DataObject) -> None:
    variant, trace, tree = any_model(data)
    taps = table(tree, "sizes", "here", "taps")
    assert {name: tap["module"] for name, tap in taps.items()} == variant.taps
    for tap in tap_shapes(trace):
        assert (taps[tap.name]["shape"], taps[tap.name].get("stride")) == (
            tap.shape,
            tap.whole_stride,
        )


def test_a_model_locked_at_several_sizes_has_each_of_them(tree_of: TreeOf) -> None:
    both, one, other = (tree_of("v2", *sides) for sides in ((32, 64), (32,), (64,)))
    assert table(both, "sizes") == {**table(one, "sizes"), **table(other, "sizes")}
    for name in ("axes", "total", "weights", "convs"):
        assert both[name] == one[name] == other[name]


def test_a_model_outside_the_family_has_no_axes(trace_of: TraceOf) -> None:
    trace = trace_of(CATALOGUE["v2"], Conditions(Size(32, 32)))
    tree = locked_tree({"32": Subject("mine", trace)})
    assert tree["axes"] == {}
    assert table(tree, "total")["params"] == 645_245


def test_what_is_kept_goes_through_the_file_unchanged(tree_of: TreeOf, tmp_path: Path) -> None:
    models = {name: Locked(tree_of(name, 32, 64), "2026-01-02") for name in CATALOGUE}
    write_lock(tmp_path / NAME, models)
    lock = read_lock(tmp_path / NAME)
    assert lock is not None
    assert lock.models == models
    assert [drift(name, model.tree, models[name].tree) for name, model in lock.models.items()] == [
        [],
        [],
        [],
    ]


def test_a_dilation_that_no_count_shows_is_seen(tree_of: TreeOf) -> None:
    before, after = tree_of("v2", 32), tree_of("v2+rates=6,12,19", 32)
    conv = "aspp.branches.3.depthwise"
    axis, *convs = drift("m", before, after)
    assert axis == Drift("m", None, "axis", "", "rates", "6,12,18", "6,12,19")
    assert sorted(convs) == [
        Drift("m", None, "conv", conv, "dilation", (18, 18), (19, 19)),
        Drift("m", None, "conv", conv, "padding", (18, 18), (19, 19)),
    ]


def test_figures_that_depend_on_the_input_are_reported_by_size_and_the_rest_once(
    tree_of: TreeOf,
) -> None:
    found = drift("m", tree_of("v2", 32, 64), tree_of("v2+classes=22", 32, 64))
    assert [
        change.figure for change in found if change.kind == "total" and change.size is None
    ] == [
        "params",
        "trainable",
        "bytes",
    ]
    assert [
        (change.size, change.figure) for change in found if change.kind == "total" and change.size
    ] == [
        ("32", "fvcore"),
        ("64", "fvcore"),
        ("32", "macs"),
        ("64", "macs"),
        ("32", "torch"),
        ("64", "torch"),
        ("32", "activations"),
        ("64", "activations"),
        ("32", "moved-bytes"),
        ("64", "moved-bytes"),
        ("32", "peak-memory"),
        ("64", "peak-memory"),
    ]
    assert {
        change.name for change in found if change.kind == "module" and change.figure == "params"
    } == {"classifier.1"}


def test_the_axes_come_first_then_totals_then_modules_convs_and_taps(tree_of: TreeOf) -> None:
    kinds = [change.kind for change in drift("m", tree_of("v1"), tree_of("v2"))]
    assert list(dict.fromkeys(kinds)) == ["axis", "total", "conv", "tap", "module"]
    assert kinds == sorted(kinds, key=list(dict.fromkeys(kinds)).index)


def test_a_module_that_is_new_or_gone_is_absent_on_one_side(tree_of: TreeOf) -> None:
    v2, v3 = tree_of("v2"), tree_of("v3")
    there = [change for change in drift("m", v2, v3) if change.name.startswith("low_conv")]
    back = [change for change in drift("m", v3, v2) if change.name.startswith("low_conv")]
    assert there
    assert {change.before for change in there} == {None} == {change.after for change in back}
    assert {change.delta for change in (*there, *back)} == {None}


@settings(max_examples=10)
@given(st.data())
def test_two_variants_drift_on_exactly_the_axes_on_which_they_differ(
    stored_variants: SearchStrategy[Variant], tree_of: TreeOf, data: st.DataObject
) -> None:
    one, other = data.draw(stored_variants), data.draw(stored_variants)
    found = [
        (change.figure, change.before, change.after)
        for change in drift("m", tree_of(one), tree_of(other))
        if change.kind == "axis"
    ]
    expected = [
        (axis.name, axis.write(before), axis.write(after))
        for axis, before, after in changes(one.values, other.values)
    ]
    assert sorted(found) == sorted(expected)


@settings(max_examples=10)
@given(st.data())
def test_the_drift_backwards_is_the_same_with_its_sides_exchanged(
    stored_variants: SearchStrategy[Variant], tree_of: TreeOf, data: st.DataObject
) -> None:
    one, other = (tree_of(data.draw(stored_variants)) for _ in range(2))
    there, back = drift("m", one, other), drift("m", other, one)
    assert {change._replace(before=change.after, after=change.before) for change in back} == set(
        there
    )
    assert len(set(there)) == len(there)
    assert drift("m", one, one) == drift("m", other, other) == []


@settings(max_examples=30)
@given(st.data())
def test_one_changed_leaf_is_one_drift_with_both_its_values(
    tree_of: TreeOf, data: st.DataObject
) -> None:
    tree = tree_of("v2", 32, 64)
    address, leaf = data.draw(st.sampled_from(list(leaves(tree))))
    value = data.draw(st.one_of(st.integers(), st.text()).filter(lambda value: value != leaf))
    (found,) = drift("m", _changed(tree, address, value), tree)
    assert (found.before, found.after, found.figure) == (value, leaf, address[-1])
    assert found.size == (address[1] if address[0] == "sizes" else None)


def _changed(tree: Tree, address: tuple[str, ...], value: int | str) -> Tree:
    name, *below = address
    if not below:
        return {**tree, name: value}
    inner = tree[name]
    assert isinstance(inner, Mapping)
    return {**tree, name: _changed(inner, tuple(below), value)}


@pytest.mark.parametrize(
    ("kind", "before", "after", "delta", "raised"),
    [
        ("total", 5, 6, 1, True),
        ("total", 5, 5, 0, False),
        ("total", 6, 5, -1, False),
        ("total", None, 5, None, False),
        ("total", 5, None, None, False),
        ("total", "5", 6, None, False),
        ("module", 5, 6, 1, False),
        ("conv", (1, 1), (2, 2), None, False),
    ],
)
def test_only_a_total_that_grew_wants_a_reason(
    kind: str, before: Any, after: Any, delta: int | None, *, raised: bool
) -> None:
    change = Drift("m", None, kind, "", "params", before, after)
    assert (change.delta, change.raised) == (delta, raised)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"total": 3},
        {"sizes": {}},
        {"sizes": {"32": 7}},
        {"sizes": {"32": {"total": "x"}}},
        {"convs": {"a": 1}},
    ],
)
def test_a_tree_of_another_form_drifts_from_every_leaf_that_it_lacks(
    tree_of: TreeOf, broken: Tree
) -> None:
    tree = tree_of("v2")
    found = drift("m", broken, tree)
    assert sum(change.before is None for change in found) == len(list(leaves(tree)))
    assert sum(change.after is None for change in found) == len(list(leaves(broken)))
