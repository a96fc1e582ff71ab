"""The layouts of axes after a view that draws them anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from ucseg_cli.analysis.narrowing.channel_axes import NO_CHANNELS, Axes
from ucseg_cli.analysis.narrowing.channel_layouts import Layout, Layouts

Block = tuple[list[int], list[int]]
"""Places before and places after that hold the same elements."""


def reshaped(
    layouts: Layouts, source: Axes, shape: Sequence[int], reason: str
) -> list[Layout] | None:
    """The axes of the same elements in another *shape*; None if they cannot be followed.

    Axes of length one come and go. Where several become one, only one may be of channels.
    """
    before = tuple(map(layouts.length, source))
    if 0 in before or prod(before) != prod(shape):
        return None
    made: list[Layout | None] = [None] * len(shape)
    for old, new in _blocks(before, shape):
        lengths = [shape[place] for place in new]
        found = _block(layouts, [source[place] for place in old], lengths, reason)
        if found is None:
            return None
        for place, layout in zip(new, found, strict=True):
            made[place] = layout
    return [layout or layouts.new(1, NO_CHANNELS) for layout in made]


def _blocks(before: Sequence[int], after: Sequence[int]) -> Iterator[Block]:
    """The smallest stretches of axes, without those of length one, that hold as many elements."""
    old = [place for place, length in enumerate(before) if length != 1]
    new = [place for place, length in enumerate(after) if length != 1]
    while old and new:
        taken, made = [old.pop(0)], [new.pop(0)]
        while (left := _product(before, taken)) != (right := _product(after, made)):
            if left < right:
                taken.append(old.pop(0))
            else:
                made.append(new.pop(0))
        yield taken, made


def _product(lengths: Sequence[int], places: Sequence[int]) -> int:
    return prod(lengths[place] for place in places)


def _block(
    layouts: Layouts, source: list[Layout], shape: list[int], reason: str
) -> list[Layout] | None:
    if len(source) == len(shape) == 1:
        return source
    if len(shape) == 1:
        joined = _joined(layouts, source)
        return None if joined is None else [joined]
    if len(source) == 1:
        return _unflattened(layouts, source[0], shape, reason)
    return None


def _joined(layouts: Layouts, source: list[Layout]) -> Layout | None:
    """The axis whose length may change, once for each element of the others."""
    free = [place for place, layout in enumerate(source) if not _is_fixed(layouts, layout)]
    if len(free) > 1:
        return None
    own = free[0] if free else 0
    lengths = [layouts.length(layout) for layout in source]
    beside = prod(lengths[own + 1 :])
    return layouts.multiply(source[own], prod(lengths[:own]) * beside, beside)


def _unflattened(
    layouts: Layouts, source: Layout, shape: list[int], reason: str
) -> list[Layout] | None:
    """One of equal parts, where it is known which axis that is; the others number the parts."""
    if _is_fixed(layouts, source):
        return [layouts.new(length, reason) for length in shape]
    count = prod(shape)
    fitting = (
        place for place, own in enumerate(shape) if _has_parts(layouts, source, count // own)
    )
    place = next(fitting, None)
    part = None
    if place is not None:
        beside = prod(shape[place + 1 :])
        part = layouts.part(source, count // shape[place], reason, beside)
    if part is None:
        return None
    numbers = (layouts.new(length, NO_CHANNELS) for length in shape)
    return [part if at == place else number for at, number in enumerate(numbers)]


def _has_parts(layouts: Layouts, source: Layout, count: int) -> bool:
    """Whether it is made of that many equal parts already, so that no new cut is needed."""
    terms = layouts.resolve(source)
    if len(terms) == 1:
        return terms[0].times % count == 0
    each, rest = divmod(layouts.length(terms), count)
    edges = {layouts.length(terms[:end]) for end in range(len(terms) + 1)}
    return rest == 0 and edges.issuperset(range(0, each * count, each))


def _is_fixed(layouts: Layouts, layout: Layout) -> bool:
    return all(layouts.reason(variable) is not None for variable, *_ in layouts.resolve(layout))
