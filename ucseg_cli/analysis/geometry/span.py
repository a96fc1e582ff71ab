"""Which interval of one map each position of another reads along an axis, and how these compose."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd, lcm
from typing import NamedTuple


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
    def size(self) -> int:
        """The most pixels that a position reads."""
        return max(last - first + 1 for first, last in zip(self.first, self.last, strict=True))

    def at(self, position: int) -> tuple[int, int]:
        """The first and the last pixel that a position reads."""
        turns, place = divmod(position, self.period)
        return self.first[place] + turns * self.step, self.last[place] + turns * self.step


LONGEST_PERIOD = 1 << 12
"""Resizings whose ratios share no factor hardly ever repeat; beyond this they are unknown."""

ITSELF = Span((0,), (0,), 1)
"""Every position reads the one below it."""

Field = tuple[Span, Span]
"""Along height and width."""


def hull(spans: Iterable[Span]) -> Span | None:
    """From the first to the last position read by any of *spans*; None if that is too long."""
    spans = list(dict.fromkeys(spans))
    if len(spans) == 1:
        return spans[0]
    # Only where all patterns begin anew does their union.
    period = lcm(*(span.period for span in spans))
    if period > LONGEST_PERIOD:
        return None
    read = [[span.at(position) for span in spans] for position in range(period)]
    return Span(
        tuple(min(first for first, _ in ends) for ends in read),
        tuple(max(last for _, last in ends) for ends in read),
        spans[0].step * (period // spans[0].period),
    )


def through(source: Span, window: Span) -> Span | None:
    """The input that *window* reads through a map of *source*; None if the period is too long."""
    # The window's own pattern repeats every *step* positions of the source; both patterns are back
    # in phase once that is a multiple of the source's period.
    repeats = source.period // gcd(source.period, window.step)
    if window.period * repeats > LONGEST_PERIOD:
        return None
    read = [window.at(position) for position in range(window.period * repeats)]
    return Span(
        tuple(source.at(first)[0] for first, _ in read),
        tuple(source.at(last)[1] for _, last in read),
        source.step * (window.step * repeats // source.period),
    )
