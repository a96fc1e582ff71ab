"""A scatter of variants by two figures: what is drawn, in any format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from fractions import Fraction
from typing import NamedTuple

Number = int | Fraction


class Mark(Enum):
    """The part that a variant plays, the least important first."""

    OUTSIDE = auto()
    """It does not fit."""
    PLAIN = auto()
    """Another one beats it."""
    FRONT = auto()
    BASE = auto()


class Scale(NamedTuple):
    """One direction of a picture.

    *goal* is ``less`` or ``more`` where one of these is better; *whole*, that figures are integers;
    *in_time*, that they are nanoseconds.
    """

    title: str
    in_bytes: bool = False
    goal: str = ""
    whole: bool = True
    in_time: bool = False

    @property
    def heading(self) -> str:
        """The title, and which end is the better one."""
        return f"{self.title}, {self.goal} is better" if self.goal else self.title


class Dot(NamedTuple):
    """A variant by its number. *digits* are the places of its values on the axes."""

    x: Number
    y: Number
    mark: Mark
    variant: int = 0
    digits: tuple[int, ...] = ()


class Bound(NamedTuple):
    """A limit, drawn as a line across the picture."""

    at: Number
    text: str


class Scatter(NamedTuple):
    """Variants by two figures.

    Args:
        title: what it is. description: what it shows, for those who do not see it.
        across, up: the directions.
        dots: all that are drawn.
        base: the model that the others are variants of; None without figures.
        base_name: its name.
        across_bounds, up_bounds: limits on the figure across, and up.
        note: what was left out.
        title_of: the words about a dot that are shown on hovering, and made only for pages.
        names: of the dots, written beside them as far as there is room; none where they are many.
    """

    title: str
    description: str
    across: Scale
    up: Scale
    dots: tuple[Dot, ...]
    base: Dot | None = None
    base_name: str = ""
    across_bounds: tuple[Bound, ...] = ()
    up_bounds: tuple[Bound, ...] = ()
    note: str = ""
    title_of: Callable[[Dot], str] = lambda _: ""
    names: tuple[str, ...] = ()

    @property
    def front(self) -> tuple[Dot, ...]:
        """The front's dots that no other beats in these two figures alone, from left to right."""
        return tuple(_best(self.front_dots, self.across, self.up))

    @property
    def front_dots(self) -> tuple[Dot, ...]:
        """All dots of the front."""
        return tuple(dot for dot in self.dots if dot.mark is Mark.FRONT)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks that there are, in order."""
        present = {dot.mark for dot in self.dots} | ({Mark.BASE} if self.base else set())
        return tuple(mark for mark in Mark if mark in present)


class Panels(NamedTuple):
    """A scatter again for each axis of the space, its dots marked by their value on it.

    *axes* have their names and the texts of their values.
    """

    scatter: Scatter
    axes: tuple[tuple[str, tuple[str, ...]], ...]


class Strip(NamedTuple):
    """The calls of one model in nanoseconds, thinned out, and the quartiles of all of them."""

    name: str
    calls: tuple[int, ...]
    quartiles: tuple[int, int, int]


class Strips(NamedTuple):
    """Calls as dots on one line for each model, with a box from the first quartile to the third.

    *description* is what it shows, for those who do not see it.
    """

    title: str
    description: str
    rows: tuple[Strip, ...]


def _best(dots: Sequence[Dot], across: Scale, up: Scale) -> Iterator[Dot]:
    """From the best figure across on, each dot with a better figure up than all before it."""
    right, top = (-1 if scale.goal == "more" else 1 for scale in (across, up))
    kept: list[Dot] = []
    for dot in sorted(dots, key=lambda one: (right * one.x, top * one.y)):
        if not kept or top * dot.y < top * kept[-1].y:
            kept.append(dot)
    return iter(kept if right > 0 else kept[::-1])
