from __future__ import annotations

from collections.abc import Callable

import pytest

from ucseg_cli.analysis.compare import Comparison, compare
from ucseg_cli.analysis.matching import match_modules
from ucseg_cli.analysis.module_tree import TreeRow
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.totals import METRICS
from ucseg_cli.conditions import Conditions, Size
from ucseg_cli.trace import Module, Tensor, Trace, Weight
from ucseg_cli.variants import Variant, as_variant

TraceOf = Callable[[Variant, Conditions], Trace]
Rows = list[tuple[str, str]]

NOTHING = Trace((), (), (), (), (), (), ())
AT_64 = Conditions(Size(64, 64))


def network(*modules: tuple[str, str, int]) -> Subject:
    """A model of parameters alone: path, class and number of parameters of each module."""
    tensors = tuple(Tensor((count,), "float32", index) for index, (_, _, count) in enumerate(modules))
    held = tuple(
        Module(path, kind, (Weight("weight", index, trainable=True),) if count else ())
        for index, (path, kind, count) in enumerate(modules)
    )
    return Subject("net", Trace((Module("", "Net"), *held), tensors, (), (), (), (), ()))


def pairs(before: Rows, after: Rows) -> list[tuple[str | None, str | None]]:
    old, new = ([TreeRow(path, kind, 1, {}) for path, kind in rows] for rows in (before, after))
    baseline, model = (network(*((path, kind, 1) for path, kind in rows)) for rows in (before, after))
    return [
        (pair.before and pair.before.path, pair.after and pair.after.path)
        for pair in match_modules(baseline, old, model, new)
    ]


def test_modules_of_one_path_match_whatever_their_class() -> None:
    assert pairs([("stem", "Conv2d"), ("head", "Linear")], [("head", "Conv2d"), ("stem", "Sequential")]) == [
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
        inner = [(f"{path}.{index}.{name}", kind, count) for index in range(length) for name, kind, count in block]
        return [(path, "Sequential", 0), *((f"{path}.{index}", "Sequential", 0) for index in range(length)), *inner]

    mine = network(*chain("backbone", 8), *chain("project", 1))
    other = network(*chain("features", 10), ("aspp", "Aspp", 3), *chain("mid", 1))
    paths = {each.path: each.was for each in compare(mine, other, depth=1).modules if not each.own}
    assert paths == {"features": "backbone", "mid": "project", "aspp": None}


def test_modules_of_different_classes_match_where_they_are_made_of_the_same() -> None:
    mine = network(("head", "Head", 0), ("head.conv", "Conv2d", 4))
    other = network(("classifier", "Sequential", 0), ("classifier.0", "Conv2d", 4))
    paths = {each.path: each.was for each in compare(mine, other, depth=1).modules if not each.own}
    assert paths == {"classifier": "head"}


def test_many_modules_are_matched_by_their_classes_alone() -> None:
    before, after = ([(f"{name}{index}", "Conv2d") for index in range(230)] for name in "ab")
    assert pairs(before, after) == [(one, other) for (one, _), (other, _) in zip(before, after, strict=True)]


def test_what_is_only_left_over_does_not_match_a_whole_module() -> None:
    subject = Subject("net", NOTHING)
    (first, second) = match_modules(
        subject, [TreeRow("a", "Block", 1, {}, own=True)], subject, [TreeRow("b", "Block", 1, {})]
    )
    assert (first.after, second.before) == (None, None)


@pytest.fixture
def across(trace_of: TraceOf) -> Callable[[int], Comparison]:
    """A variant, and the same network under other paths and of no family, held against v1."""

    def across(depth: int) -> Comparison:
        v1, v2 = as_variant("v1"), as_variant("v2")
        return compare(Subject("mine", trace_of(v1, AT_64)), Subject("v2", trace_of(v2, AT_64), v2), depth=depth)

    return across


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_across_families_every_row_is_there_once_and_the_deltas_add_up(
    across: Callable[[int], Comparison], depth: int
) -> None:
    comparison = across(depth)
    for metric in ("params", "fvcore", "macs", "torch"):
        assert sum(each.figures[metric].delta for each in comparison.modules) == comparison.totals[metric].delta
        for side in ("before", "after"):
            figures = [getattr(each.figures[metric], side) or 0 for each in comparison.modules]
            assert sum(figures) == getattr(comparison.totals[metric], side)


def test_a_module_that_is_called_otherwise_says_what_it_was() -> None:
    before, after = network(("body", "Sequential", 3)), network(("features", "Sequential", 5))
    (delta,) = [each for each in compare(before, after, depth=1).modules if not each.own]
    assert (delta.path, delta.was, delta.status, delta.figures["params"].delta) == ("features", "body", "changed", 2)


def test_of_a_model_that_did_not_run_parameters_are_compared_and_of_the_rest_nothing_is_said() -> None:
    ran, not_run = network(("a", "Linear", 3)), network(("a", "Linear", 5))
    not_run = not_run._replace(trace=Trace(**{**vars(not_run.trace), "failure": "it has no forward pass"}))
    comparison = compare(ran, not_run, depth=1)
    assert comparison.totals["params"].delta == 2
    for metric in ("fvcore", "macs", "torch", "peak-memory"):
        delta = comparison.totals[metric]
        assert (delta.known, delta.absent, delta.change, delta.after) == (False, True, None, None)
    assert set(comparison.totals) == set(METRICS)
    assert comparison.lint == ((), (), (), 0)
