from __future__ import annotations

from collections.abc import Callable

import pytest

from ucseg_cli.analysis.geometry.tap_shapes import choose_taps, default_taps
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Tap, Trace
from ucseg_cli.references.path_pattern import path_pattern
from ucseg_cli.references.variants import Variant, as_variant

TraceOf = Callable[[Variant, Conditions], Trace]


def test_a_variant_has_its_own(trace_of: TraceOf) -> None:
    assert [tap.name for tap in default_taps(trace_of(as_variant("v2"), Conditions()))] == [
        "low",
        "mid",
        "high",
    ]


def test_a_pattern_may_be_the_name_of_a_tap(trace_of: TraceOf) -> None:
    subject = Subject("v2", trace_of(as_variant("v2"), Conditions()))
    assert choose_taps([subject], ["high", "features.1"]) == [
        (Tap("features.1", "features.1"), Tap("high", "features.10"))
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.**", "a.b.c", True),
        ("**", "", True),
        ("a?", "a1", True),
        ("a?", "a.", False),
        ("a.b", "axb", False),
        ("a[08]", "a8", True),
        ("a[0-7]", "a8", False),
        ("a[!0-7]", "a8", True),
        ("a[!0]", "a.", False),
        ("a[^]", "a^", True),
        ("a[0", "a[0", True),
        ("a[z-a]", "az", False),
    ],
)
def test_a_sign_stays_within_a_name_and_two_stars_go_over_any(
    pattern: str,
    path: str,
    fits: bool,  # noqa: FBT001 - a case
) -> None:
    assert bool(path_pattern(pattern).fullmatch(path)) is fits
