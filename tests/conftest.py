"""What tests of several rooms need: how hypothesis runs, and random members of the family."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ucseg_cli.conditions import Conditions, Size
from ucseg_cli.trace import Trace
from ucseg_cli.variants import Variant

TraceOf = Callable[[Variant, Conditions], Trace]

settings.register_profile("default", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def variants() -> SearchStrategy[Variant]:
    """Any variant, its widths small."""
    return st.builds(
        Variant,
        backbone=st.integers(4, 13),
        output_stride=st.sampled_from([32, 16]),
        rates=st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple),
        conv=st.sampled_from(["regular", "separable"]),
        decoder_blocks=st.integers(1, 3),
        aspp_channels=st.integers(1, 12),
        mid_channels=st.integers(1, 12),
        decoder_channels=st.integers(1, 12),
        low_skip=st.integers(0, 8),
        head=st.sampled_from(["after-upsample", "before-upsample"]),
        dropout=st.integers(0, 99).map(lambda percent: percent / 100),
        classes=st.integers(2, 9),
    )


@pytest.fixture(scope="session")
def small_conditions() -> SearchStrategy[Conditions]:
    """Inputs odd and even, rarely square, down to one pixel, of one to three images."""
    side = st.one_of(st.integers(1, 9), st.integers(10, 100))
    return st.builds(Conditions, st.builds(Size, side, side), st.integers(1, 3))


@pytest.fixture(scope="session")
def trace_of() -> TraceOf:
    """The trace of a variant, each recorded once per session."""
    from ucseg_cli.engine.load import trace_variant

    known: dict[tuple[Variant, Conditions], Trace] = {}

    def trace(variant: Variant, conditions: Conditions) -> Trace:
        if (variant, conditions) not in known:
            known[variant, conditions] = trace_variant(variant, conditions)
        return known[variant, conditions]

    return trace
