"""The noise floor, which a baseline shows against itself, and verdicts beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.timing.samples import Interval, Samples, median, median_interval
from ucseg_cli.system.machine import MachineState
from ucseg_cli.units import format_percent

LEAST_FLOOR = Fraction(2, 100)
"""Two processes of one model differ by up to this for good, by where their memory lies."""


class Bounds(NamedTuple):
    """The most of each kind of noise that a machine may have, and the least of a core it may give.

    Args:
        floor: of the noise.
        drift: between the halves of one model's calls.
        stolen: of its time, by the host.
        received: the least share of a core that calls get; None for any.
    """

    floor: Fraction
    drift: Fraction
    stolen: Fraction
    received: Fraction | None


TO_RANK = Bounds(Fraction(10, 100), Fraction(100, 100), Fraction(25, 100), None)
"""Models take turns, so that what slows one slows all: on two cores with a load of eight, calls got
a third of a core and times drifted by a half, and still most floors were below 6%."""
TO_LIMIT = Bounds(Fraction(10, 100), Fraction(20, 100), Fraction(10, 100), Fraction(90, 100))
"""A limit is on a time itself, which others on the machine make longer."""


class Verdict(Enum):
    """A model beside the baseline."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "~"
    """The difference is below the floor."""
    OPEN = "open"
    """The interval reaches from below the floor to beyond it; shown as a ``~``, too."""


class Noise(NamedTuple):
    """How much the machine disturbed the measurement; None for what is unknown.

    Args:
        floor: the largest difference, as a share, that the baseline may have from itself.
        drift: of the model whose second half differs most from its first.
    """

    floor: Fraction | None
    drift: Fraction | None


def change_between(baseline: Samples, model: Samples) -> Interval | None:
    """The ratio of the model's time to the baseline's, round by round; None of too few rounds."""
    pairs = zip(baseline.blocks, model.blocks, strict=False)
    ratios = (Fraction(median(after.kept), median(before.kept)) for before, after in pairs)
    return median_interval(ratios)


def floor_of(itself: Interval | None) -> Fraction | None:
    """The noise floor, given the baseline beside itself: the far end of its interval."""
    return None if itself is None else max(LEAST_FLOOR, itself.high - 1, 1 / itself.low - 1)


def verdict_of(change: Interval | None, floor: Fraction) -> Verdict:
    """Faster or slower only if all of the interval lies beyond the floor."""
    if change is None:
        return Verdict.OPEN
    high, low = 1 + floor, 1 / (1 + floor)
    if change.low > high:
        return Verdict.SLOWER
    if change.high < low:
        return Verdict.FASTER
    return Verdict.SAME if low <= change.low and change.high <= high else Verdict.OPEN


def disagree(ratio: Fraction | None, paired: Interval | None, noise: Noise) -> bool:
    """Whether the ratio of two medians lies beyond that of calls side by side, and the floor."""
    if ratio is None or paired is None or noise.floor is None:
        return False
    return not paired.low / (1 + noise.floor) <= ratio <= paired.high * (1 + noise.floor)


def drift_of(samples: Samples) -> Fraction | None:
    """By how much the second half of the blocks differs from the first; None of fewer than two."""
    half = len(samples.blocks) // 2
    if not half:
        return None
    first, second = (
        median(call for block in blocks for call in block.kept)
        for blocks in (samples.blocks[:half], samples.blocks[half:])
    )
    return Fraction(second, first) - 1


def largest_drift(streams: Sequence[Samples]) -> Fraction | None:
    """The drift of the stream that has most of it."""
    drifts = [drift for drift in map(drift_of, streams) if drift is not None]
    return max(drifts, key=abs, default=None)


def why_too_noisy(noise: Noise, state: MachineState, bounds: Bounds) -> Iterator[str]:
    """Everything that was seen of a machine beyond its bounds."""
    if noise.floor is not None and noise.floor > bounds.floor:
        yield f"its noise floor is {format_percent(noise.floor)}, above {_percent(bounds.floor)}"
    if noise.drift is not None and abs(noise.drift) > bounds.drift:
        drift = format_percent(noise.drift, signed=True)
        yield f"times drifted by {drift}, more than {_percent(bounds.drift)}"
    if state.stolen is not None and state.stolen > bounds.stolen:
        stolen = format_percent(state.stolen)
        yield f"{stolen} of its time was stolen by its host, above {_percent(bounds.stolen)}"
    least, received = bounds.received, state.received
    if received is not None and least is not None and received < least:
        yield f"calls got {format_percent(received)} of a core, below {_percent(least)}"


def _percent(share: Fraction) -> str:
    """A whole number of percent."""
    return f"{int(share * 100)}%"
