"""Fixtures of the rooms that check the engine: nothing comes out of tests/data."""

from __future__ import annotations

from functools import cache

import pytest

from support.fixture_types import TraceOf
from ucseg_cli.engine.trace_model import trace_variant


@pytest.fixture(scope="session")
def trace_of() -> TraceOf:
    """The trace of a variant as the engine records it now, once per session."""
    return cache(trace_variant)
