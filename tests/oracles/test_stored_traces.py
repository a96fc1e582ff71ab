"""The data of tests without torch, against what the engine and other counters say now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

import pytest

from support.any_size import shapeless
from support.stored_counts import COUNTED, read_counts
from support.stored_traces import Pass, StoredTraces
from support.strategies import STORED_CONDITIONS, STORED_VARIANTS
from support.torch_pair import PAIR
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training
from ucseg_cli.gate.tracing import count_with_others
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.variants import Variant

PARTS = 8
"""In so many tests, so that every worker has its share."""


@pytest.fixture(scope="module")
def stored() -> StoredTraces:
    return StoredTraces()


@pytest.fixture(scope="module")
def tracer() -> Tracer:
    """One for all: it builds each backbone once."""
    return Tracer()


def differing(stored: StoredTraces, tracer: Tracer, passes: Iterable[Pass]) -> list[str]:
    """The passes of a network whose stored trace is not what the engine records.

    A variant is recorded once: on other inputs it has to be the same but for shapes.
    """
    first, *others = recorded = list(passes)
    if isinstance(first.model, FromLibrary):
        others = []
    else:
        recorded = [first]
    wrong = [known for known in recorded if not _agree(stored.get(known), tracer.trace(*known))]
    wrong += [known for known in others if not _same_network(stored.get(first), stored.get(known))]
    return [f"{known.model} on {known.conditions}" for known in wrong]


def kind_of_pass(known: Pass) -> tuple[Variant | FromLibrary, Training | None]:
    """Equal for passes that differ in shapes alone."""
    return known.model, known.conditions.training


def _same_network(one: Trace | None, other: Trace | None) -> bool:
    if isinstance(one, Trace) and isinstance(other, Trace):
        return shapeless(one) == shapeless(other)
    return False


def _agree(kept: Trace | None, now: Trace) -> bool:
    """The same trace; under another torch, whose views may differ, the same figures."""
    if kept is None or not PAIR.is_file():
        return kept == now
    return totals(kept) == totals(now)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_stored_trace_is_what_the_engine_records_now(
    stored: StoredTraces, tracer: Tracer, part: int
) -> None:
    networks = [list(passes) for _, passes in groupby(stored.passes(), kind_of_pass)]
    mine = networks[part::PARTS]
    assert len(mine) > 10
    found = [wrong for passes in mine for wrong in differing(stored, tracer, passes)]
    assert found == [], "if this is intended: make update-traces"


def test_a_stored_trace_that_differs_is_named(
    stored: StoredTraces, tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = (Pass(STORED_VARIANTS[0], conditions) for conditions in STORED_CONDITIONS)
    good = {known: stored.get(known) for known in (first, second)}
    for wrong in (first, second):
        trace = good[wrong]
        assert isinstance(trace, Trace)
        other = replace(trace, ops=tuple(op._replace(name="relu") for op in trace.ops))
        monkeypatch.setattr(stored, "get", (good | {wrong: other}).get)
        assert f"{wrong.model} on {wrong.conditions}" in differing(stored, tracer, [first, second])
        monkeypatch.setattr(stored, "get", good.get)
        assert differing(stored, tracer, [first, second]) == []


def test_every_stored_variant_has_a_trace_under_all_stored_conditions(stored: StoredTraces) -> None:
    passes = set(stored.passes())
    for variant in STORED_VARIANTS:
        assert {Pass(variant, conditions) for conditions in STORED_CONDITIONS} <= passes


def test_the_stored_counts_are_what_the_other_counters_say_now() -> None:
    assert count_with_others(COUNTED) == read_counts()
