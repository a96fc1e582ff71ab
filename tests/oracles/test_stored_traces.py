"""The data of tests without torch, against what the engine and other counters say now."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from support.stored_counts import COUNTED, read_counts
from support.stored_traces import Pass, StoredTraces
from support.strategies import STORED_CONDITIONS, STORED_VARIANTS
from support.torch_pair import PAIR
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate.tracing import count_with_others

PARTS = 8
"""In so many tests, so that every worker has its share."""


@pytest.fixture(scope="module")
def stored() -> StoredTraces:
    return StoredTraces()


@pytest.fixture(scope="module")
def tracer() -> Tracer:
    """One for all: it builds each backbone once."""
    return Tracer()


def differing(stored: StoredTraces, tracer: Tracer, passes: list[Pass]) -> list[str]:
    """The passes whose stored trace is not what the engine records."""
    return [
        f"{known.model} on {known.conditions}"
        for known in passes
        if not _agree(stored.get(known), tracer.trace(*known))
    ]


def _agree(kept: Trace | None, now: Trace) -> bool:
    """The same trace; under another torch, whose views may differ, the same figures."""
    if kept is None or not PAIR.is_file():
        return kept == now
    return totals(kept) == totals(now)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_stored_trace_is_what_the_engine_records_now(
    stored: StoredTraces, tracer: Tracer, part: int
) -> None:
    passes = list(islice(stored.passes(), part, None, PARTS))
    assert len(passes) > 10
    assert differing(stored, tracer, passes) == [], "if this is intended: make update-traces"


def test_a_stored_trace_that_differs_is_named(
    stored: StoredTraces, tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (known,) = islice(stored.passes(), 1)
    trace = stored.get(known)
    assert isinstance(trace, Trace)
    other = tuple(op._replace(name="relu") for op in trace.ops)
    monkeypatch.setattr(stored, "get", lambda _: replace(trace, ops=other))
    assert differing(stored, tracer, [known]) == [f"{known.model} on {known.conditions}"]


def test_every_stored_variant_has_a_trace_under_all_stored_conditions(stored: StoredTraces) -> None:
    passes = set(stored.passes())
    for variant in STORED_VARIANTS:
        assert {Pass(variant, conditions) for conditions in STORED_CONDITIONS} <= passes


def test_the_stored_counts_are_what_the_other_counters_say_now() -> None:
    assert count_with_others(COUNTED) == read_counts()
