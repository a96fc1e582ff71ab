"""Each rule on the smallest module that breaks it and on its fixed twin, and on the family."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from support.fixture_types import TraceOf
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.analysis.rules.lint_checks import lint, lint_changes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references.variants import as_variant

Linted = Callable[..., list[tuple[str, str]]]


# The family


@pytest.fixture(scope="module")
def found_in(trace_of: TraceOf) -> Linted:
    """Rule and module of finding finding in a variant at a size."""

    def find(name: str, side: int = 512) -> list[tuple[str, str]]:
        return [(finding.rule.code, finding.module) for finding in lint(seen(trace_of, name, side))]

    return find


def seen(trace_of: TraceOf, name: str, side: int = 512) -> Subject:
    variant = as_variant(name)
    return Subject(name, trace_of(variant, Conditions(Size(side, side))), variant)


@pytest.mark.parametrize(
    ("name", "side", "branches"),
    [
        ("v1", 512, []),
        ("v1", 224, ["aspp.branches.2.0"]),
        ("v2", 512, ["aspp.branches.3.depthwise"]),
        ("v2", 224, ["aspp.branches.2.depthwise", "aspp.branches.3.depthwise"]),
        ("v3", 512, ["aspp.branches.3.depthwise"]),
        ("v3", 224, ["aspp.branches.2.depthwise", "aspp.branches.3.depthwise"]),
        ("v2+output_stride=16", 512, []),
    ],
)
def test_at_512_rate_18_is_exactly_a_1x1_conv_and_at_224_rate_12_too(
    found_in: Linted, name: str, side: int, branches: list[str]
) -> None:
    assert [module for code, module in found_in(name, side) if code == "UC101"] == branches


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
@pytest.mark.parametrize("side", [224, 512])
def test_each_named_variant_classifies_late_and_pools_to_one_value(
    found_in: Linted, name: str, side: int
) -> None:
    found = found_in(name, side)
    assert ("UC104", "classifier.1") in found
    assert ("UC103", "aspp.branches") in found
    assert [module for code, module in found if code == "UC107"] == [
        "aspp.branches.3.2" if name == "v1" else "aspp.branches.4.2"
    ]
    assert not {"UC105", "UC106"} & {code for code, _ in found}


def test_v2_s_classifier_has_48_percent_of_its_operations_and_features_10_46_of_its_parameters(
    trace_of: TraceOf,
) -> None:
    heavy = [finding for finding in lint(seen(trace_of, "v2")) if finding.rule.code == "UC108"]
    assert [(finding.module, dict(finding.evidence)) for finding in heavy] == [
        ("classifier.1", {"fvcore": 352_321_536, "total": 737_104_000}),
        ("features.10", {"params": 294_096, "total": 645_245}),
    ]
    assert heavy[0].message == (
        "47.8% of the FLOPs (352,321,536); governed by head, classes, decoder_channels"
    )


def test_with_the_classifier_before_the_upsample_nothing_is_late(found_in: Linted) -> None:
    assert "UC104" not in {code for code, _ in found_in("v2+head=before-upsample")}


@pytest.mark.parametrize(
    ("rates", "finer"),
    [("6,12,18", "3,6,9"), ("3,18,12", "1,9,6"), ("10,10", "5,5"), ("1,11", "1,5")],
)
def test_every_rate_is_halved_in_its_place(trace_of: TraceOf, rates: str, finer: str) -> None:
    (found,) = (
        finding
        for finding in lint(seen(trace_of, f"v2+rates={rates}"))
        if finding.rule.code == "UC103"
    )
    assert (dict(found.fix), found.exact) == ({"rates": finer}, False)


def test_unfit_rates_are_reported_in_pixels(trace_of: TraceOf) -> None:
    (found,) = (finding for finding in lint(seen(trace_of, "v2")) if finding.rule.code == "UC103")
    assert found.message == (
        "rates 6, 12, 18 at stride 32 reach 576 pixels from the centre; "
        "DeepLabv3 chose 288 (18 at stride 16)"
    )
    assert found.evidence == {
        "stride": 32,
        "largest_rate": 18,
        "pixels": 18 * 32,
        "classic_pixels": 18 * 16,
    }


@pytest.mark.parametrize(
    "fixed",
    ["v2+rates=3,5,1", "v2+rates=3,6,9", "v2+rates=9", "v2+output_stride=16", "v2+backbone=4"],
)
def test_rates_that_suit_the_map_are_not_reported(found_in: Linted, fixed: str) -> None:
    assert "UC103" not in {code for code, _ in found_in(fixed)}


def test_only_the_heavy_block_restates_a_table() -> None:
    assert [code for code, rule in RULES.items() if rule.restates_table] == ["UC108"]


@pytest.mark.parametrize("side", [224, 512])
def test_every_message_is_short_enough_for_two_lines(trace_of: TraceOf, side: int) -> None:
    for name in ("v1", "v2", "v3"):
        assert all(len(finding.message) < 170 for finding in lint(seen(trace_of, name, side)))


def test_findings_come_most_severe_first(trace_of: TraceOf) -> None:
    found = [
        (-finding.rule.severity, finding.rule.code, finding.module)
        for finding in lint(seen(trace_of, "v3", 224))
    ]
    assert found == sorted(found)


def test_a_branch_keeps_its_findings_at_another_position(trace_of: TraceOf) -> None:
    moved = lint_changes(seen(trace_of, "v2"), seen(trace_of, "v2+rates=18"), str)
    assert "UC101" not in {finding.rule.code for finding in (*moved.added, *moved.removed)}


def test_a_model_that_adds_rate_18_adds_what_is_wrong_with_it(trace_of: TraceOf) -> None:
    changed = lint_changes(seen(trace_of, "v1"), seen(trace_of, "v2"), str)
    assert [(finding.rule.code, finding.module) for finding in changed.added] == [
        ("UC101", "aspp.branches.3.depthwise"),
        ("UC108", "features.10"),
    ]
    assert changed.removed == ()
    assert [
        (before.module, after.module, before.rule.code) for before, after in changed.altered
    ] == [
        ("aspp.branches", "aspp.branches", "UC103"),
        ("classifier.1", "classifier.1", "UC108"),
    ]
    assert [finding.evidence["pixels"] for finding in changed.altered[0]] == [12 * 32, 18 * 32]
    assert changed.unchanged == 3  # UC102 of rate 12, UC104, UC107
    back = lint_changes(seen(trace_of, "v2"), seen(trace_of, "v1"), str)
    assert (back.added, back.removed) == (changed.removed, changed.added)
    assert (back.altered, back.unchanged) == (
        tuple((after, before) for before, after in changed.altered),
        3,
    )


def test_every_finding_of_a_model_is_new_changed_or_unchanged(trace_of: TraceOf) -> None:
    for before, after in permutations(
        ("v1", "v2", "v3", "v2+rates=18", "v2+head=before-upsample"), 2
    ):
        changed = lint_changes(seen(trace_of, before), seen(trace_of, after), str)
        both = len(changed.altered) + changed.unchanged
        assert len(changed.added) + both == len(lint(seen(trace_of, after)))
        assert len(changed.removed) + both == len(lint(seen(trace_of, before)))


def test_a_block_that_becomes_heavy_under_another_metric_is_an_added_finding(
    trace_of: TraceOf,
) -> None:
    late, early = seen(trace_of, "v2"), seen(trace_of, "v2+head=before-upsample+classes=20000")
    changed = lint_changes(late, early, str)
    assert ("UC108", "classifier.1", ("params", "total")) in [
        (finding.rule.code, finding.module, tuple(finding.evidence)) for finding in changed.added
    ]
