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
    return Subject("net", Trace((Module("", "Net"), *held), tensors, (), (), (), (), ()))


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
        [("stem", "Conv2d"), ("head", "Linear")], [("head", "Conv2d"), ("stem", "Sequential")]
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
        # Alike by 1/2 is not sure, so all of 1 beats 1/2 and the bonus of a common name.
        ("AAABBB", "AAA", "AAABBB", "1"),
        # Alike by 4/7 is sure, even though another is the same.
        ("AAAABBB", "AAAA", "AAAABBB", "0"),
        # 1/2 and the bonus of 0.3 are worth more than 4/6,
        ("AAABBB", "AAA", "AAAB", "0"),
        # but less than 5/6.
        ("AAABBB", "AAA", "AAABB", "1"),
    ],
)
def test_a_number_is_a_name_of_what_is_surely_alike_and_else_worth_a_bonus(
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
    before = [("same", "Conv2d"), *((f"a{index}", "Conv2d") for index in range(224))]
    after = [("same", "Conv2d"), *((f"b{index}", "Conv2d") for index in range(more))]
    found = [pair for pair in pairs(before, after) if None not in pair]
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
        ([("a", "Conv2d", 1), ("b", "Conv2d", 2)], "a"),
    ],
)
def test_of_modules_of_one_kind_the_one_with_the_same_parameters_goes_first(
    after: list[tuple[str, str, int]], partner: str
) -> None:
    assert paired([("classifier", "Conv2d", 1365)], after) == [("classifier", partner)]
