"""The search for the largest batch, and what a training step's memory consists of."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from support.fixture_types import TraceOf
from ucseg_cli.analysis.memory.batches import next_batches
from ucseg_cli.analysis.memory.training_memory import (
    PARTS,
    SAVED,
    TEMPORARY,
    phase_at,
    training_peak,
)
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trained
from ucseg_cli.facts.training import Training
from ucseg_cli.references.variants import as_variant

STEP = Conditions(Size(224, 224), 8, training=Training("adamw"))


def search(limit: int, peak_of: Callable[[int], int], most: int) -> tuple[int | None, int]:
    """The largest batch that fits, and in how many rounds it was found."""
    peaks: dict[int, int] = {}
    rounds = 0
    while batches := next_batches(limit, peaks, most):
        peaks |= {batch: peak_of(batch) for batch in batches}
        rounds += 1
    return max((batch for batch, peak in peaks.items() if peak <= limit), default=None), rounds


@given(
    st.integers(0, 10**7),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**5)), min_size=1, max_size=4),
    st.integers(1, 5000),
)
def test_the_largest_batch_is_found_where_the_peak_is_the_highest_of_several_lines(
    limit: int, lines: list[tuple[int, int]], most: int
) -> None:
    def peak_of(batch: int) -> int:
        return max(start + slope * batch for start, slope in lines)

    found, _ = search(limit, peak_of, most)
    fitting = [batch for batch in range(1, most + 1) if peak_of(batch) <= limit]
    assert found == max(fitting, default=None)


def test_a_line_is_found_in_two_rounds_and_bends_take_a_few_more() -> None:
    assert search(10**9, lambda batch: 10**6 + 31_337 * batch, 65_536) == (31_879, 2)
    bent = search(10**9, lambda batch: max(31_337 * batch, 90_000 * batch - 10**9), 65_536)
    assert bent[0] == 22_222
    assert bent[1] <= 6


def test_no_batch_at_all_and_every_batch_are_answers() -> None:
    assert search(10, lambda batch: 100 * batch, 64) == (None, 1)
    assert search(10**9, lambda batch: batch, 48) == (48, 1)


def test_the_parts_of_a_step_add_up_and_those_saved_are_by_module(trace_of: TraceOf) -> None:
    peak = training_peak(trace_of(as_variant("v2"), STEP))
    assert tuple(peak.parts) == PARTS
    assert sum(peak.parts.values()) == peak.bytes
    assert sum(peak.saved.values()) == peak.parts[SAVED]
    assert peak.parts[TEMPORARY] > 0
    assert (peak.phase, peak.module, peak.op) == (
        "backward",
        "classifier.1",
        "convolution_backward",
    )


def test_more_than_half_of_what_v2_keeps_for_backward_is_its_last_dropout(
    trace_of: TraceOf,
) -> None:
    peak = training_peak(trace_of(as_variant("v2"), STEP))
    made, mask = 8 * 64 * 224 * 224 * 4, 8 * 64 * 224 * 224 * 4
    assert peak.saved["forward", "classifier.0"] == made + mask
    assert peak.saved["forward", "classifier.0"] * 2 > peak.parts[SAVED]


def test_each_operator_is_in_one_part_of_the_step() -> None:
    trained = Trained(loss=2, backward=4, update=6)
    phases = [phase_at(trained, op) for op in range(8)]
    assert phases == [*["forward"] * 2, *["loss"] * 2, *["backward"] * 2, *["update"] * 2]
