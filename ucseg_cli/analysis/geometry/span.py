"""Which interval of one map each position of another reads along an axis, and how these compose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple


class PeriodTooLongError(Exception):
    """The pattern of reads along an axis is too long to be tabulated."""


class Span(NamedTuple):
    """The interval that each position along one axis reads of a source without borders.

    Position o reads from first[o mod P] + (o div P)·step to last[o mod P] + (o div P)·step, where P
    is the number of entries. Behind strided convolutions P is 1; bilinear upsampling makes
    neighbours differ. The gaps in a dilated kernel count as read: a receptive field is a box.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    step: int

    @property
    def period(self) -> int:
        """After how many positions the intervals repeat, *step* further on."""
        return len(self.first)

    @property
    def pace(self) -> Fraction:
        """How much further on a position reads than the one before it, on average."""
        return Fraction(self.step, self.period)

    def at(self, position: int) -> tuple[int, int]:
        """The first and the last pixel that a position reads."""
        turns, place = divmod(position, self.period)
        return self.first[place] + turns * self.step, self.last[place] + turns * self.step


LONGEST_PERIOD = 1 << 12
"""Resizings whose ratios share no factor hardly ever repeat; beyond this they are not tabulated."""

ITSELF = Span((0,), (0,), 1)
"""Every position reads the one below it."""

Spans = tuple[Span, ...]
"""From the first to the last pixel that any of them reads; each has a pace of its own.

Where a map upsampled with aligned corners meets another, the two diverge from position to position,
so that no single interval says what further ones read.
"""

Field = tuple[Spans, Spans]
"""Along height and width."""


def ends(spans: Spans, position: int) -> tuple[int, int]:
    """The first and the last pixel that a position reads."""
    read = [span.at(position) for span in spans]
    return min(first for first, _ in read), max(last for _, last in read)


def most_read(spans: Spans, positions: int) -> int:
    """The most pixels that one of so many *positions* reads."""
    differ = positions if len(spans) > 1 else min(positions, spans[0].period)
    read = (ends(spans, position) for position in range(differ))
    return max(last - first + 1 for first, last in read)


def hull(spans: Iterable[Span]) -> Spans:
    """One span for each pace, from the first to the last position read by any of that pace.

    Raises PeriodTooLongError.
    """
    by_pace: dict[Fraction, dict[Span, None]] = {}
    for span in spans:
        by_pace.setdefault(span.pace, {})[span] = None
    return tuple(_union(list(alike)) for alike in by_pace.values())


def _union(spans: Sequence[Span]) -> Span:
    if len(spans) == 1:
        return spans[0]
    # Only where all patterns begin anew does their union.
    period = _tabulated(lcm(*(span.period for span in spans)))
    read = [ends(tuple(spans), position) for position in range(period)]
    first, last = zip(*read, strict=True)
    return Span(first, last, spans[0].step * (period // spans[0].period))


def through(source: Span, window: Span) -> Span:
    """The input that *window* reads through a map of *source*; raises PeriodTooLongError."""
    # The window's own pattern repeats every *step* positions of the source; both patterns are back
    # in phase once that is a multiple of the source's period.
    repeats = source.period // gcd(source.period, window.step)
    read = [window.at(position) for position in range(_tabulated(window.period * repeats))]
    return Span(
        tuple(source.at(first)[0] for first, _ in read),
        tuple(source.at(last)[1] for _, last in read),
        source.step * (window.step * repeats // source.period),
    )


def _tabulated(period: int) -> int:
    if period > LONGEST_PERIOD:
        raise PeriodTooLongError
    return period
