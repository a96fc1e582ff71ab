"""The largest batch with which a training step fits: the search, without anything that runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.memory.training_memory import TrainingPeak

NEIGHBOURS = 2
"""How many batches on each side of a guess are tried with it."""


class Batches(NamedTuple):
    """The answer of the search, and every peak on the way.

    Args:
        limit: bytes.
        peaks: of every batch that was tried and runs.
        largest: that fits; None if none does.
        most: beyond which none is tried.
    """

    limit: int
    peaks: Mapping[int, TrainingPeak]
    largest: int | None
    most: int

    @property
    def shown(self) -> int:
        """The batch that an answer is about: the largest that fits, else the smallest that runs."""
        return self.largest or min(self.peaks)

    @property
    def next(self) -> int | None:
        """The batch that does not fit any more; None if all that are tried do."""
        after = (self.largest or 0) + 1 if self.largest else min(self.peaks)
        return after if after in self.peaks else None

    @property
    def half(self) -> int | None:
        """Half of the largest, where a step of it was tried."""
        half = (self.largest or 0) // 2
        return half if half in self.peaks else None


def next_batches(limit: int, peaks: Mapping[int, int], most: int) -> Collection[int]:
    """The batches to try next, given the peaks of others; none once the largest that fits is known.

    First powers of two. Between one that fits and one that does not, those around where a straight
    line between their peaks crosses the limit, since peaks are lines with few bends.
    """
    powers = {1 << power for power in range(most.bit_length())} | {most}
    untried = powers - peaks.keys()
    if untried:
        return untried
    fits = max((batch for batch, peak in peaks.items() if peak <= limit), default=None)
    exceeds = min((batch for batch in peaks if fits is None or batch > fits), default=None)
    if fits is None or exceeds is None:
        return ()
    between = range(fits + 1, exceeds)
    slope = peaks[exceeds] - peaks[fits]
    guess = fits + (limit - peaks[fits]) * (exceeds - fits) // slope if slope > 0 else fits
    around = range(guess - NEIGHBOURS, guess + NEIGHBOURS + 1)
    middle = (fits + exceeds) // 2
    return [batch for batch in (*around, middle) if batch in between]
