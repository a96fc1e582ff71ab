"""What the positions of a map read of another along one axis, and how that composes."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd, lcm
from typing import NamedTuple


class Span(NamedTuple):
    """What each position along one axis reads of a source without borders: all from *first* to *last*.

    Position o reads from first[o mod P] + (o div P)·step to last[o mod P] + (o div P)·step, where P is the number of
    entries. Behind strided convolutions P is 1; bilinear upsampling makes neighbours differ. Positions between the
    taps of a dilated convolution count as read: a receptive field is a box.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    step: int

    @property
    def period(self) -> int:
        """After how many positions what is read repeats, *step* further on."""
        return len(self.first)

    @property
    def size(self) -> int:
        """Pixels that a position reads, where most."""
        return max(last - first + 1 for first, last in zip(self.first, self.last, strict=True))

    def at(self, position: int) -> tuple[int, int]:
        """The first and the last pixel that a position reads."""
        turns, place = divmod(position, self.period)
        return self.first[place] + turns * self.step, self.last[place] + turns * self.step


LONGEST_PERIOD = 1 << 12
"""Where resizings follow one another whose ratios have nothing in common, what is read hardly ever repeats."""

ITSELF = Span((0,), (0,), 1)
"""Every position reads the one below it."""

Field = tuple[Span, Span]
"""Along height and width."""


def hull(spans: Iterable[Span]) -> Span | None:
    """From the first position that any of *spans* reads to the last; they are on one grid. None where it hardly repeats."""
    spans = list(dict.fromkeys(spans))
    if len(spans) == 1:
        return spans[0]
    period = lcm(*(span.period for span in spans))
    if period > LONGEST_PERIOD:
        return None
    read = [[span.at(position) for span in spans] for position in range(period)]
    return Span(
        tuple(min(first for first, _ in each) for each in read),
        tuple(max(last for _, last in each) for each in read),
        spans[0].step * (period // spans[0].period),
    )


def through(source: Span, window: Span) -> Span | None:
    """What is read of the input by positions that read *window* of a map whose positions read *source*.

    None where it hardly repeats.
    """
    repeats = source.period // gcd(source.period, window.step)
    if window.period * repeats > LONGEST_PERIOD:
        return None
    read = [window.at(position) for position in range(window.period * repeats)]
    return Span(
        tuple(source.at(first)[0] for first, _ in read),
        tuple(source.at(last)[1] for _, last in read),
        source.step * (window.step * repeats // source.period),
    )
