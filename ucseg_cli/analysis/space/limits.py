"""Limits over a whole space: which variants meet all, which limit binds, what comes nearest."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.space.sweep_answer import Column, LeastViolation, Limit, LimitTally

Columns = Mapping[str, Column]
"""The figures of all variants, by label."""


class Judged(NamedTuple):
    """The limits with their tallies; *feasible* is 1 for each variant that meets all, else 0."""

    tallies: tuple[LimitTally, ...]
    feasible: bytearray

    @property
    def fitting(self) -> int:
        """How many variants meet all."""
        return sum(self.feasible)


def judge_limits(
    limits: Sequence[Limit], columns: Columns, size: int, broken: Iterable[int] = ()
) -> Judged:
    """Every variant against every limit. Those that are *broken*, not built, are not judged."""
    built = bytearray(b"\x01" * size)
    for variant in broken:
        built[variant] = 0
    met = [bytearray(map(limit.is_met, columns[limit.label])) for limit in limits]
    counts = list(map(sum, zip(*met, strict=True))) if met else [0] * size
    everything = len(limits)
    feasible = bytearray(
        is_built and count == everything for is_built, count in zip(built, counts, strict=True)
    )
    tallies = (
        _tally(limit, zip(built, own, counts, strict=True), everything - 1)
        for limit, own in zip(limits, met, strict=True)
    )
    return Judged(tuple(tallies), feasible)


def _tally(limit: Limit, variants: Iterable[tuple[int, int, int]], others: int) -> LimitTally:
    """Its tally; variants are whether each is built, meets it, and how many limits it meets."""
    met = alone = 0
    for is_built, is_met, count in variants:
        met += is_built and is_met
        alone += is_built and not is_met and count == others
    return LimitTally(limit, met, alone)


def violated(limits: Iterable[Limit], columns: Columns, variant: int) -> Iterator[Limit]:
    """The limits that a variant does not meet."""
    return (limit for limit in limits if not limit.is_met(columns[limit.label][variant]))


def least_violation(
    limits: Sequence[Limit], columns: Columns, size: int, broken: Container[int] = ()
) -> LeastViolation | None:
    """The variant whose largest excess over a limit, as a share of that limit, is the smallest.

    Of equal ones the first. None if each is *broken* or has no figure for one of the limits.
    """
    candidates = (variant for variant in range(size) if variant not in broken)
    worst = (_worst(limits, columns, variant) for variant in candidates)
    known = (found for found in worst if found is not None)
    return min(known, key=lambda found: found.excess, default=None)


def _worst(limits: Sequence[Limit], columns: Columns, variant: int) -> LeastViolation | None:
    """The limit that a variant misses by most; None where it has no figure for one of them."""
    worst: LeastViolation | None = None
    for limit in limits:
        figure = columns[limit.label][variant]
        if figure is None:
            return None
        excess = limit.excess(figure)
        if worst is None or excess > worst.excess:
            worst = LeastViolation(variant, limit, excess)
    return worst
