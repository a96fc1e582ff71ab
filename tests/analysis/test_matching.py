from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from support.fixture_types import TraceOf
from ucseg_cli.analysis.comparing.comparison import Comparison, compare
from ucseg_cli.analysis.comparing.match_modules import match_modules
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.counting.module_tree import TreeRow
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Module, Tensor, Trace, Weight
from ucseg_cli.references.variants import as_variant

Rows = list[tuple[str, str]]

NOTHING = Trace((), (), (), (), (), (), ())
AT_64 = Conditions(Size(64, 64))


def network(*modules: tuple[str, str, int]) -> Subject:
    """A model of parameters alone: path, class and number of parameters of each module."""
    tensors = tuple(
        Tensor((count,), "float32", index) for index, (_, _, count) in enumerate(modules)
    )
    held = tuple(
        Module(path, kind, (Weight("weight", index, trainable=True),) if count else ())
        for index, (path, kind, count) in enumerate(modules)
    )
    sizes = tuple(4 * count for _, _, count in modules)
    trace = Trace((Module("", "Net"), *held), tensors, sizes, (None,) * len(sizes))
    return Subject("net", trace)


def pairs(before: Rows, after: Rows) -> list[tuple[str | None, str | None]]:
    old, new = ([TreeRow(path, kind, 1, {}) for path, kind in rows] for rows in (before, after))
    baseline, model = (
        network(*((path, kind, 1) for path, kind in rows)) for rows in (before, after)
    )
    return [
        (pair.before and pair.before.path, pair.after and pair.after.path)
        for pair in match_modules(baseline, old, model, new).pairs
    ]


def test_modules_of_one_name_match_even_if_their_classes_differ() -> None:
    assert pairs(
        [("stem", "Conv2d"), ("head", "Linear")], [("head", "Conv1d"), ("stem", "Sequential")]
    ) == [
        ("stem", "stem"),
        ("head", "head"),
    ]


def test_of_the_others_those_of_one_class_match_in_order() -> None:
    before = [("a", "Conv2d"), ("b", "BatchNorm2d"), ("c", "Conv2d"), ("d", "Linear")]
    after = [("x", "Conv2d"), ("y", "Conv2d"), ("z", "Linear")]
    assert pairs(before, after) == [("a", "x"), ("b", None), ("c", "y"), ("d", "z")]


def test_what_the_other_has_none_of_is_gone_or_new() -> None:
    assert pairs([("a", "Conv2d")], [("b", "Linear")]) == [("a", None), (None, "b")]
    assert pairs([], [("b", "Linear")]) == [(None, "b")]


def test_containers_match_by_what_is_in_them_and_not_by_being_the_next_of_their_class() -> None:
    block = [("0", "Conv2d", 9), ("1", "BatchNorm2d", 2)]

    def chain(path: str, length: int) -> list[tuple[str, str, int]]:
        inner = [
            (f"{path}.{index}.{name}", kind, count)
            for index in range(length)
            for name, kind, count in block
        ]
        return [
            (path, "Sequential", 0),
            *((f"{path}.{index}", "Sequential", 0) for index in range(length)),
            *inner,
        ]

    mine = network(*chain("backbone", 8), *chain("project", 1))
    other = network(*chain("features", 10), ("aspp", "Aspp", 3), *chain("mid", 1))
    paths = {
        delta.path: delta.was for delta in compare(mine, other, depth=1).modules if not delta.own
    }
    assert paths == {"features": "backbone", "mid": "project", "aspp": None}


def test_modules_of_different_classes_match_where_they_are_made_of_the_same() -> None:
    mine = network(("head", "Head", 0), ("head.conv", "Conv2d", 4))
    other = network(("classifier", "Sequential", 0), ("classifier.0", "Conv2d", 4))
    paths = {
        delta.path: delta.was for delta in compare(mine, other, depth=1).modules if not delta.own
    }
    assert paths == {"classifier": "head"}


def block(path: str, layers: str, kind: str = "Block") -> list[tuple[str, str, int]]:
    """A container of layers, each of the class that its letter names."""
    inner = [(f"{path}.layer{index}", letter, 1) for index, letter in enumerate(layers)]
    return [(path, kind, 0), *inner]


def matched(before: Subject, after: Subject) -> dict[str, str | None]:
    modules = compare(before, after, depth=1).modules
    return {
        module.was or module.path: module.path
        for module in modules
        if not module.own and module.status in {"changed", "unchanged"}
    }


@pytest.mark.parametrize(
    ("layers", "same_number", "other", "expected"),
    [
        # An identical one goes first, whatever else is alike.
        ("AAAABBB", "AAAABB", "AAAABBB", "1"),
        # 1/2 and the bonus of 0.2 are worth more than 4/6,
        ("AAABBB", "AAA", "AAAB", "0"),
        # but less than 5/6.
        ("AAABBB", "AAA", "AAABB", "1"),
    ],
)
def test_a_number_is_a_place_which_is_worth_a_bonus(
    layers: str, same_number: str, other: str, expected: str
) -> None:
    before = network(*block("0", layers))
    after = network(*block("0", same_number), *block("1", other))
    assert matched(before, after) == {"0": expected}


@pytest.mark.parametrize(
    ("layers", "kind", "are_matched"),
    [
        ("AAABB", "Other", True),  # 3/5 alike
        ("AAAABBB", "Other", False),  # 4/7
        ("ABBB", "Block", True),  # 1/4
        ("ABBBB", "Block", False),  # 1/5
    ],
)
def test_modules_of_different_names_match_from_a_likeness_that_depends_on_their_class(
    layers: str, kind: str, *, are_matched: bool
) -> None:
    after = network(*block("x", "A" * layers.count("A"), kind))
    assert matched(network(*block("a", layers)), after) == ({"a": "x"} if are_matched else {})


@pytest.mark.parametrize(("more", "are_matched"), [(223, True), (224, False)])
def test_beyond_50_000_possible_pairs_modules_match_by_name_alone(
    more: int, *, are_matched: bool
) -> None:
    before = [("same", "Conv2d", 1), *((f"a{index}", "Conv2d", 2) for index in range(224))]
    after = [("same", "Conv2d", 1), *((f"b{index}", "Conv2d", 3) for index in range(more))]
    found = paired(before, after)
    assert found[0] == ("same", "same")
    assert len(found) == (1 + more if are_matched else 1)


def test_a_name_is_not_enough_to_match_a_module_with_parameters_and_one_without() -> None:
    mine = network(
        ("classifier", "Sequential", 0), ("classifier.0", "Aspp", 7), ("classifier.1", "Linear", 3)
    )
    other = network(
        ("classifier", "Sequential", 0),
        ("classifier.0", "Dropout", 0),
        ("classifier.1", "Linear", 4),
    )
    statuses = {
        (delta.path, delta.status)
        for delta in compare(mine, other, depth=2).modules
        if not delta.own
    }
    assert statuses == {
        ("classifier.0", "gone"),
        ("classifier.0", "new"),
        ("classifier.1", "changed"),
    }


def test_children_match_within_modules_that_belong_together() -> None:
    mine = network(
        *[
            ("encoder", "Encoder", 0),
            ("encoder.0", "Conv2d", 2),
            ("encoder.1", "Conv2d", 2),
            ("encoder.2", "Conv2d", 2),
        ],
        *[("up", "Up", 0), ("up.0", "Linear", 5), ("up.1", "Linear", 5)],
    )
    other = network(
        *[("features", "Sequential", 0), ("features.0", "Conv2d", 2), ("features.1", "Conv2d", 2)],
        *[
            ("decoder", "Sequential", 0),
            ("decoder.0", "Linear", 5),
            ("decoder.1", "Linear", 5),
            ("decoder.2", "Conv2d", 2),
        ],
    )
    was = {
        delta.path: delta.was for delta in compare(mine, other, depth=2).modules if not delta.own
    }
    assert was == {
        "features.0": "encoder.0", "features.1": "encoder.1", "encoder.2": None,
        "decoder.0": "up.0", "decoder.1": "up.1",
        "decoder.2": None,
    }  # fmt: skip


def test_findings_are_the_same_where_only_the_module_is_called_otherwise(trace_of: TraceOf) -> None:
    v2 = as_variant("v2")
    trace = trace_of(v2, AT_64)
    renamed = tuple(
        module._replace(path=module.path.replace("aspp", "context").replace("features", "encoder"))
        for module in trace.modules
    )
    mine = Subject("mine", replace(trace, modules=renamed, taps=()))
    lint = compare(mine, Subject("v2", trace), depth=2).lint
    assert (lint.added, lint.removed) == ((), ())
    assert lint.unchanged > 3


def test_what_is_only_left_over_does_not_match_a_whole_module() -> None:
    mine, other = network(("a", "Block", 1), ("a.0", "Block", 1)), network(("b", "Block", 1))
    rows = [TreeRow("a", "Block", 2, {}, own=True), TreeRow("a.0", "Block", 2, {})]
    *_, first, second = match_modules(mine, rows[:1], other, [TreeRow("b", "Block", 1, {})]).pairs
    assert (first.after, second.before) == (None, None)


@pytest.fixture
def across(trace_of: TraceOf) -> Callable[[int], Comparison]:
    """A variant, and the same network under other paths and of no family, compared with v1."""

    def across(depth: int) -> Comparison:
        v1, v2 = as_variant("v1"), as_variant("v2")
        return compare(
            Subject("mine", trace_of(v1, AT_64)),
            Subject("v2", trace_of(v2, AT_64), v2),
            depth=depth,
        )

    return across


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_across_families_every_row_is_there_once_and_the_deltas_add_up(
    across: Callable[[int], Comparison], depth: int
) -> None:
    comparison = across(depth)
    for metric in ("params", "fvcore", "macs", "torch"):
        assert (
            sum(delta.figures[metric].delta for delta in comparison.modules)
            == comparison.totals[metric].delta
        )
        for side in ("before", "after"):
            figures = [getattr(delta.figures[metric], side) or 0 for delta in comparison.modules]
            assert sum(figures) == getattr(comparison.totals[metric], side)


def test_a_module_that_is_called_otherwise_says_what_it_was() -> None:
    before, after = network(("body", "Sequential", 3)), network(("features", "Sequential", 5))
    (delta,) = [delta for delta in compare(before, after, depth=1).modules if not delta.own]
    assert (delta.path, delta.was, delta.status, delta.figures["params"].delta) == (
        "features",
        "body",
        "changed",
        2,
    )


def test_of_a_model_that_did_not_run_parameters_are_compared_and_of_the_rest_nothing_is_said() -> (
    None
):
    ran, not_run = network(("a", "Linear", 3)), network(("a", "Linear", 5))
    not_run = not_run._replace(trace=replace(not_run.trace, failure="it has no forward pass"))
    comparison = compare(ran, not_run, depth=1)
    assert comparison.totals["params"].delta == 2
    for metric in ("fvcore", "macs", "torch", "peak-memory"):
        delta = comparison.totals[metric]
        assert (delta.known, delta.absent, delta.change, delta.after) == (False, True, None, None)
    assert set(comparison.totals) == set(METRICS)
    assert comparison.lint == ((), (), (), 0)


def test_a_state_dict_which_does_not_say_what_its_modules_are_is_matched_by_path(
    trace_of: TraceOf,
) -> None:
    trace = trace_of(as_variant("v2"), AT_64)
    classless = tuple(
        module._replace(type="" if module.path else "state dict") for module in trace.modules
    )
    state = Subject(
        "v2.pt", replace(trace, modules=classless, failure="a state dict has no forward pass")
    )
    for depth in (1, 2, 9):
        modules = compare(state, Subject("v2", trace, as_variant("v2")), depth=depth).modules
        assert {delta.status for delta in modules if delta.figures["params"].before} == {
            "unchanged"
        }


def paired(before: list[tuple[str, str, int]], after: list[tuple[str, str, int]]) -> Rows:
    """The pairs of modules that are in both, by path."""
    old, new = ([TreeRow(path, kind, 1, {}) for path, kind, _ in rows] for rows in (before, after))
    found = match_modules(network(*before), old, network(*after), new).pairs
    return [(pair.before.path, pair.after.path) for pair in found if pair.before and pair.after]


@pytest.mark.parametrize(
    ("after", "partner"),
    [
        ([("skip", "Conv2d", 600), ("head", "Conv2d", 1365)], "head"),
        ([("head", "Conv2d", 1365), ("skip", "Conv2d", 600)], "head"),
        ([("a", "Conv2d", 1), ("b", "Conv2d", 1365), ("c", "Conv2d", 2)], "b"),
        # Without an identical one, the one of the nearest width.
        ([("a", "Conv2d", 400), ("b", "Conv2d", 1300)], "b"),
        ([("a", "Conv2d", 1300), ("b", "Conv2d", 400)], "a"),
    ],
)
def test_of_modules_of_one_kind_the_one_with_the_same_parameters_goes_first(
    after: list[tuple[str, str, int]], partner: str
) -> None:
    assert paired([("classifier", "Conv2d", 1365)], after) == [("classifier", partner)]


Layers = list[tuple[str, str, tuple[int, ...]]]

STEM, LOW, HIGH = (8, 3, 3, 3), (16, 8, 3, 3), (32, 16, 3, 3)


def convs(*layers: tuple[str, tuple[int, ...]]) -> Layers:
    return [(path, "Conv2d", shape) for path, shape in layers]


def numbered(*shapes: tuple[int, ...]) -> Layers:
    return convs(*((str(index), shape) for index, shape in enumerate(shapes)))


def partners(before: Layers, after: Layers) -> dict[str | None, str | None]:
    """By path before, the path after; None for a module of one side."""

    def subject(layers: Layers) -> Subject:
        shapes = [shape for _, _, shape in layers if shape]
        held = [
            Module(path, kind, (Weight("weight", shapes.index(shape), trainable=True),))
            if shape
            else Module(path, kind)
            for path, kind, shape in layers
        ]
        tensors = tuple(Tensor(shape, "float32", at) for at, shape in enumerate(shapes))
        sizes = tuple(4 * tensor.numel for tensor in tensors)
        trace = replace(NOTHING, modules=(Module("", "Net"), *held), tensors=tensors)
        return Subject("net", replace(trace, storages=sizes, freed=(None,) * len(sizes)))

    modules = compare(subject(before), subject(after), depth=9).modules
    return {
        None if module.status == "new" else module.was or module.path: None
        if module.status == "gone"
        else module.path
        for module in modules
        if not module.own
    }


def test_a_layer_inserted_at_the_front_is_new_and_the_others_are_what_they_were() -> None:
    found = partners(numbered(STEM, LOW, HIGH), numbered((3, 3, 3, 3), STEM, LOW, HIGH))
    assert found == {None: "0", "0": "1", "1": "2", "2": "3"}


def test_numbered_names_move_with_the_layers_behind_an_inserted_one() -> None:
    before = convs(("conv1", STEM), ("conv2", LOW), ("conv3", HIGH))
    after = convs(("conv1", STEM), ("conv2", (8, 8, 1, 1)), ("conv3", LOW), ("conv4", HIGH))
    assert partners(before, after) == {
        "conv1": "conv1", None: "conv2", "conv2": "conv3", "conv3": "conv4",
    }  # fmt: skip


@pytest.mark.parametrize("names", [("0", "1", "0", "1"), ("a", "b", "c", "d")])
def test_two_blocks_that_were_swapped_are_still_these_blocks(names: tuple[str, ...]) -> None:
    def two(first: str, second: str, kernel: int, other: int) -> Layers:
        return [
            (first, "Block", ()), (f"{first}.conv", "Conv2d", (8, 8, kernel, kernel)),
            (f"{first}.norm", "BatchNorm2d", (8,)),
            (second, "Block", ()), (f"{second}.conv", "Conv2d", (8, 8, other, other)),
            (f"{second}.norm", "BatchNorm2d", (8,)),
        ]  # fmt: skip

    one, other, first, second = names
    found = partners(two(one, other, 3, 5), two(first, second, 5, 3))
    assert (found[f"{one}.conv"], found[f"{other}.conv"]) == (f"{second}.conv", f"{first}.conv")


def test_blocks_of_another_width_swapped_in_place_are_not_taken_for_widened() -> None:
    wide, narrow = (64, 16, 1, 1), (32, 16, 1, 1)
    assert partners(numbered(wide, narrow), numbered(narrow, wide)) == {"0": "1", "1": "0"}


def test_reordered_layers_are_found_again() -> None:
    norm = (16,)
    before = [
        ("0", "Conv2d", STEM), ("1", "ReLU", ()), ("2", "Conv2d", LOW), ("3", "BatchNorm2d", norm),
    ]  # fmt: skip
    after = [
        ("0", "BatchNorm2d", norm), ("1", "Conv2d", LOW), ("2", "ReLU", ()), ("3", "Conv2d", STEM),
    ]  # fmt: skip
    found = partners(before, after)
    assert {path: found[path] for path in "023"} == {"0": "3", "2": "1", "3": "0"}


def test_one_design_at_two_widths_is_compared_place_by_place() -> None:
    twice = [(16, 3, 3, 3), (32, 16, 3, 3), (64, 32, 3, 3)]
    same = {"0": "0", "1": "1", "2": "2"}
    # HIGH is the second layer of the wider network.
    assert partners(numbered(STEM, LOW, HIGH), numbered(*twice)) == same
    assert partners(numbered(*twice), numbered(STEM, LOW, HIGH)) == same


def test_renamed_blocks_of_another_width_are_pairs() -> None:
    before = convs(("stem", (16, 3, 3, 3)), ("body", (32, 16, 3, 3)))
    after = convs(("entry", (24, 3, 3, 3)), ("middle", (48, 24, 3, 3)))
    assert partners(before, after) == {"stem": "entry", "body": "middle"}


@pytest.mark.parametrize(
    ("before", "after", "shape", "are_paired"),
    [
        # With another name 4 ÷ 16 + 0.35 is just enough, for a width of 16 times.
        ("head", "proj", (64 * 256, 16, 1, 1), True),
        ("head", "proj", (64 * 257, 16, 1, 1), False),
        ("head", "proj", (512, 16, 7, 7), False),
        # In one place of a sequence: another kernel of like width is still the layer there.
        ("1", "1", (64, 16, 3, 3), True),
        ("1", "1", (2048, 16, 7, 7), False),
        # The author's name decides.
        ("head", "head", (512, 16, 7, 7), True),
    ],
)
def test_a_quite_different_module_of_the_same_kind_and_place_is_new(
    before: str, after: str, shape: tuple[int, ...], *, are_paired: bool
) -> None:
    stem = ("0", (16, 3, 3, 3))
    found = partners(convs(stem, (before, (64, 16, 1, 1))), convs(stem, (after, shape)))
    expected: dict[str | None, str | None] = {before: after}
    if not are_paired:
        expected = {before: None, None: after}
    assert found == {"0": "0", **expected}


def test_of_identical_layers_each_is_the_one_of_its_name_but_a_number_is_none() -> None:
    named = convs(("left", LOW), ("right", LOW))
    swapped = convs(("right", LOW), ("left", LOW), ("top", STEM))
    assert partners(named, swapped) == {"left": "left", "right": "right", None: "top"}
    found = partners(numbered(LOW, LOW, LOW), numbered(STEM, LOW, LOW, LOW))
    assert found == {None: "0", "0": "1", "1": "2", "2": "3"}


def test_an_activation_is_identical_to_any_other_and_so_goes_by_its_name() -> None:
    before = [*convs(("conv", LOW)), ("act1", "ReLU", ()), ("act2", "GELU", ())]
    after = [*convs(("conv", LOW)), ("act1", "GELU", ()), ("act2", "ReLU", ())]
    assert partners(before, [*after, ("act3", "ReLU", ())]) == {
        "conv": "conv", "act1": "act1", "act2": "act2", None: "act3",
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "is_matched"), [("Conv2d", True), ("Linear", False)])
def test_a_layer_is_looked_for_in_a_module_of_its_name(kind: str, *, is_matched: bool) -> None:
    wrapped: Layers = [("head", "Sequential", ()), ("head.0", kind, LOW)]
    found = partners(convs(("head", LOW)), wrapped)
    assert found.get("head") == ("head.0" if is_matched else None)
    assert (None in found) is not is_matched


@pytest.mark.parametrize(("layers", "partner"), [("CAC", "1"), ("CCA", None), ("CBAC", None)])
def test_a_layer_without_parameters_is_the_one_between_the_same_neighbours(
    layers: str, partner: str | None
) -> None:
    """C is a convolution, A and B are activations; before there was another between two."""

    def chain(letters: str) -> Layers:
        widths = iter((STEM, LOW))
        activations = {"R": "ReLU", "A": "GELU", "B": "Hardtanh"}
        return [
            (str(index), activations[letter], ())
            if letter in activations
            else (str(index), "Conv2d", next(widths))
            for index, letter in enumerate(letters)
        ]

    assert partners(chain("CRC"), chain(layers)).get("1") == partner
