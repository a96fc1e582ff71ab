"""The calls of one model, and their order statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from math import comb
from typing import NamedTuple, TypeVar

from ucseg_cli.facts.timing.block import Block

Value = TypeVar("Value", int, Fraction)

TAIL = Fraction(1, 200)
"""The chance that a median lies above its interval, and that it lies below."""
P95, P99 = Fraction(95, 100), Fraction(99, 100)


class Samples(NamedTuple):
    """Everything that was measured of one model.

    Args:
        first: the first call, in nanoseconds.
        warm_up: blocks before it was warm.
        blocks: one for each round.
    """

    first: int
    warm_up: Sequence[Block]
    blocks: Sequence[Block]

    @property
    def warm_up_calls(self) -> int:
        """Calls before it was warm, the first among them."""
        return 1 + sum(len(block.calls) for block in self.warm_up)


class Statistics(NamedTuple):
    """Order statistics in nanoseconds, each a time of some call.

    *p95* and *p99* are None where no call lies beyond them, below 20 and below 100 calls.
    """

    n: int
    least: int
    p25: int
    p50: int
    p75: int
    p95: int | None
    p99: int | None
    most: int

    @property
    def spread(self) -> Fraction:
        """The range of the middle half, as a share of the median."""
        return Fraction(self.p75 - self.p25, max(self.p50, 1))


class Interval(NamedTuple):
    """Where a median lies: in the middle, and between two ends with a chance of 99%."""

    low: Fraction
    middle: Fraction
    high: Fraction


def statistics_of(blocks: Iterable[Block]) -> Statistics:
    """The statistics of all calls that are kept; there has to be one."""
    calls = sorted(call for block in blocks for call in block.kept)
    quarter, half = Fraction(1, 4), Fraction(1, 2)
    return Statistics(
        n=len(calls),
        least=calls[0],
        p25=quantile(calls, quarter),
        p50=quantile(calls, half),
        p75=quantile(calls, 3 * quarter),
        p95=_beyond(calls, P95),
        p99=_beyond(calls, P99),
        most=calls[-1],
    )


def quantile(ordered: Sequence[Value], share: Fraction) -> Value:
    """The smallest value that at least that *share* of all do not exceed (nearest rank)."""
    rank = -(-share.numerator * len(ordered) // share.denominator)
    return ordered[max(rank, 1) - 1]


def median(values: Iterable[Value]) -> Value:
    """The lower one of two in the middle."""
    return quantile(sorted(values), Fraction(1, 2))


def median_interval(values: Iterable[Fraction]) -> Interval | None:
    """The order statistics between which the median lies, whatever the distribution.

    These of the sign test: with n values the median lies below the k-th with the chance that fewer
    than k of n coins show heads (Conover, "Practical Nonparametric Statistics", 3.2). None where
    there are too few values, below 8.
    """
    ordered = sorted(values)
    rank = _rank(len(ordered))
    if rank == 0:
        return None
    return Interval(ordered[rank - 1], quantile(ordered, Fraction(1, 2)), ordered[-rank])


@cache
def _rank(count: int) -> int:
    """The largest k with a chance of at most TAIL that fewer than k of *count* coins show heads."""
    below, rank = 0, 0
    while Fraction(below + comb(count, rank), 2**count) <= TAIL:
        below += comb(count, rank)
        rank += 1
    return rank


def _beyond(ordered: Sequence[int], share: Fraction) -> int | None:
    return quantile(ordered, share) if len(ordered) * (1 - share) >= 1 else None
