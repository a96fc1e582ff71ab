"""A fix keeps its promise: its rule falls silent, and the saving is the difference in counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.fixture_types import TraceOf
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.rules.fixes import fix_reference
from ucseg_cli.analysis.rules.lint_checks import Finding, lint
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references.variants import Variant, as_variant

FVCORE = "fvcore"
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking: recording a trace takes its time, and a variant's key says enough."""


def subject_of(trace_of: TraceOf, reference: str, conditions: Conditions) -> Subject:
    variant = as_variant(reference)
    return Subject(reference, trace_of(variant, conditions), variant)


def fixes(subject: Subject) -> Iterator[tuple[Finding, str]]:
    return (
        (finding, reference)
        for finding in lint(subject)
        if (reference := fix_reference(subject, finding)) is not None
    )


def saved(trace_of: TraceOf, subject: Subject, reference: str, conditions: Conditions) -> int:
    after = subject_of(trace_of, reference, conditions)
    return totals(subject.trace)[FVCORE] - totals(after.trace)[FVCORE]


def assert_fixes_keep_their_word(
    trace_of: TraceOf, subject: Subject, conditions: Conditions
) -> None:
    # On a tiny map the backbone's own dilated convs degenerate too, and no axis fixes that.
    without_fix = {(other.rule.code, other.module) for other in lint(subject) if not other.fix}
    for finding, reference in fixes(subject):
        after = subject_of(trace_of, reference, conditions)
        left = {(other.rule.code, other.module) for other in lint(after)} - without_fix
        assert finding.rule.code not in {code for code, _ in left}, reference
        assert fix_reference(after, finding) == reference  # nothing is left to change
        if "saved" in finding.evidence:
            assert finding.evidence["saved"] == saved(trace_of, subject, reference, conditions) > 0


@pytest.mark.parametrize("side", [64, 224, 512])
@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_every_fix_of_a_named_variant_silences_its_rule_and_saves_what_is_said(
    trace_of: TraceOf, name: str, side: int
) -> None:
    conditions = Conditions(Size(side, side))
    subject = subject_of(trace_of, name, conditions)
    assert (
        {"UC103", "UC104"}
        <= {fix.rule.code for fix, _ in fixes(subject)}
        <= {"UC101", "UC103", "UC104"}
    )
    assert_fixes_keep_their_word(trace_of, subject, conditions)


@settings(max_examples=6, phases=PHASES)
@given(st.data())
def test_every_fix_of_any_variant_silences_its_rule_and_saves_what_is_said(
    variants: SearchStrategy[Variant],
    small_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant, conditions = data.draw(variants), data.draw(small_conditions)
    subject = subject_of(trace_of, f"v2+{variant.key}", conditions)
    assert subject.variant == variant
    assert_fixes_keep_their_word(trace_of, subject, conditions)


def test_a_fix_leaves_alone_the_dilated_convs_of_the_backbone(trace_of: TraceOf) -> None:
    conditions = Conditions(Size(1, 9), 2)
    reference = "v2+output_stride=16+rates=12,1"
    assert_fixes_keep_their_word(trace_of, subject_of(trace_of, reference, conditions), conditions)


@settings(max_examples=6, phases=PHASES)
@given(st.data())
def test_moving_the_classifier_is_suggested_exactly_where_that_saves_something(
    variants: SearchStrategy[Variant],
    small_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant = data.draw(variants)._replace(head="after-upsample")
    conditions = data.draw(small_conditions)
    subject = subject_of(trace_of, f"v2+{variant.key}", conditions)
    found = {finding.evidence["saved"] for finding in lint(subject) if finding.rule.code == "UC104"}
    saving = saved(
        trace_of, subject, f"v2+{variant._replace(head='before-upsample').key}", conditions
    )
    assert found == ({saving} if saving > 0 else set())


@pytest.mark.parametrize(
    ("channels", "saving"),
    # (512² - 64²) · 21 products a channel, and 4 · 512² elements for each beyond 21
    [
        (2, 258_048 * 21 * 2 - 1_048_576 * 19),
        (3, 258_048 * 21 * 3 - 1_048_576 * 18),
        (4, 258_048 * 21 * 4 - 1_048_576 * 17),
        (21, 258_048 * 21 * 21),
    ],
)
def test_a_classifier_with_few_channels_to_read_stays_where_it_is(
    trace_of: TraceOf, channels: int, saving: int
) -> None:
    conditions = Conditions(Size(512, 512))
    subject = subject_of(trace_of, f"v2+decoder_channels={channels}", conditions)
    late = [finding for finding in lint(subject) if finding.rule.code == "UC104"]
    assert (saving > 0) == (channels >= 4)
    assert [finding.evidence["saved"] for finding in late] == [saving] * (channels >= 4)
    assert saved(trace_of, subject, f"{subject.name}+head=before-upsample", conditions) == saving


@pytest.mark.parametrize("rate", [18, 19, 20, 32, 100])
def test_one_fix_is_enough_however_large_the_rate(trace_of: TraceOf, rate: int) -> None:
    conditions = Conditions(Size(64, 64))
    assert_fixes_keep_their_word(
        trace_of, subject_of(trace_of, f"v2+rates=6,{rate}", conditions), conditions
    )
