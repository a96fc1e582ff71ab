"""The plan of a measurement: blocks of calls in random order, and when there are enough.

Every model has one block a round, so that whatever happens to the machine happens to all. See
Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", and Touati et al., "The
Speedup-Test", on why times of one model after the other do not compare.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from random import Random

from ucseg_cli.analysis.timing.noise_floor import Verdict, change_between, floor_of, verdict_of
from ucseg_cli.analysis.timing.samples import Samples

SEED = 0
BLOCK = 50_000_000
"""Nanoseconds that a block should take, so that moving between processes costs little of it."""
LONG = 200_000_000
"""Nanoseconds of a call beside which filling the caches anew, 1 to 2 ms, is no longer seen."""

LEAST_WARM_UP = 3
FASTER = Fraction(98, 100)
"""A model is warm once a block is not faster than every one before it by more than 2%."""

LEAST_ROUNDS = 20
"""Rounds before which no measurement ends by itself."""
PRECISE = Fraction(3, 100)
"""A noise floor at which a measurement may end; above it, more rounds help."""
STEP = 5
"""Rounds between two looks at whether there are enough."""


def orders(streams: int, seed: int = SEED) -> Iterator[tuple[int, ...]]:
    """Round after round, the order in which each stream has its block."""
    random = Random(seed)  # noqa: S311 - no secret
    while True:
        yield tuple(random.sample(range(streams), streams))


def calls_in_block(typical: int) -> int:
    """How many calls of *typical* nanoseconds each make a block; the first of several is left out.

    One call alone is kept, if it is long.
    """
    return 1 if typical >= LONG else 1 + max(1, -(-BLOCK // max(typical, 1)))


def is_warm(medians: Sequence[int]) -> bool:
    """Whether the blocks of a model, by their medians, no longer become faster."""
    *before, last = medians
    return len(medians) >= LEAST_WARM_UP and last >= FASTER * min(before)


def are_enough(streams: Sequence[Samples]) -> bool:
    """Whether more rounds would say no more: the floor is low, and every model is decided.

    The first stream is the baseline, the second the baseline again. A model is decided if its
    whole interval lies beyond the floor, or within it.
    """
    rounds = len(streams[0].blocks)
    if rounds < LEAST_ROUNDS or rounds % STEP:
        return False
    baseline, twin, *others = streams
    floor = floor_of(change_between(baseline, twin))
    if floor is None or floor > PRECISE:
        return False
    changes = (change_between(baseline, other) for other in others)
    return all(verdict_of(change, floor) is not Verdict.OPEN for change in changes)
