"""Places for boxes in layers, so that every arrow leads down and none leads through a box.

A box stands below all that lead to it (longest path). An arrow over several layers has a place in
each of them; layers are ordered by the places of their neighbours (Sugiyama et al. 1981).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

GAP, LANE, ROUNDS = 28, 14, 6
"""Units between boxes of a layer, of an arrow that passes it, and how often layers are ordered."""

Pair = tuple[int, int]


class Places(NamedTuple):
    """Where boxes and arrows are.

    Args:
        layers: by box, its layer from above. across: by box, its middle.
        bends: by arrow (source, target), its places in the layers between, from above.
        width: of the widest layer.
    """

    layers: tuple[int, ...]
    across: tuple[float, ...]
    bends: Mapping[Pair, tuple[float, ...]]
    width: float


def place_boxes(widths: Sequence[float], arrows: Iterable[Pair]) -> Places:
    """Places of boxes that are so wide; every arrow leads from a box to one after it."""
    pairs = list(dict.fromkeys(arrows))
    layers = _layers(len(widths), pairs)
    sizes: dict[object, float] = dict(enumerate(widths))
    rows: list[list[object]] = [[] for _ in range(max(layers, default=0) + 1)]
    for box, layer in enumerate(layers):
        rows[layer].append(box)
    links: list[tuple[object, object]] = []
    for source, target in pairs:
        before: object = source
        for layer in range(layers[source] + 1, layers[target]):
            lane = (source, target, layer)
            sizes[lane] = LANE
            rows[layer].append(lane)
            links.append((before, lane))
            before = lane
        links.append((before, target))
    _order(rows, links)
    at, width = _spread(rows, sizes)
    bends = {
        (source, target): tuple(
            at[source, target, layer] for layer in range(layers[source] + 1, layers[target])
        )
        for source, target in pairs
    }
    return Places(tuple(layers), tuple(at[box] for box in range(len(widths))), bends, width)


def _layers(count: int, pairs: Sequence[Pair]) -> list[int]:
    """The longest way to each box; sources stand before their targets."""
    layers = [0] * count
    for source, target in sorted(pairs):
        layers[target] = max(layers[target], layers[source] + 1)
    return layers


def _order(rows: list[list[object]], links: Sequence[tuple[object, object]]) -> None:
    """Sort each layer by the middle of what it is linked with, from above and from below."""
    above: dict[object, list[object]] = {}
    below: dict[object, list[object]] = {}
    for one, other in links:
        above.setdefault(other, []).append(one)
        below.setdefault(one, []).append(other)
    for number in range(ROUNDS):
        neighbours, order = (above, rows) if number % 2 == 0 else (below, rows[::-1])
        place: dict[object, float] = {}
        for row in order:
            was = {item: (index + 0.5) / len(row) for index, item in enumerate(row)}
            wanted = {item: _middle(item, neighbours, place, was) for item in row}
            row.sort(key=wanted.__getitem__)
            place |= {item: (index + 0.5) / len(row) for index, item in enumerate(row)}


def _middle(
    item: object,
    neighbours: Mapping[object, list[object]],
    place: Mapping[object, float],
    was: Mapping[object, float],
) -> float:
    known = [place[one] for one in neighbours.get(item, ()) if one in place]
    return sum(known) / len(known) if known else was[item]


def _spread(
    rows: Sequence[Sequence[object]], sizes: Mapping[object, float]
) -> tuple[dict[object, float], float]:
    """Each layer in the middle of the widest one."""
    lengths = [sum(sizes[item] for item in row) + GAP * (len(row) - 1) for row in rows]
    width = max(lengths, default=0)
    at: dict[object, float] = {}
    for row, length in zip(rows, lengths, strict=True):
        left = (width - length) / 2
        for item in row:
            at[item] = left + sizes[item] / 2
            left += sizes[item] + GAP
    return at, width
