"""The exact Pareto front of points with exact costs, for any number of objectives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from ucseg_cli.analysis.space.sweep_answer import Number

Costs = tuple[Number, ...]
"""The figures of a variant of which less is better; what is to be maximized is negated."""
Ranks = tuple[int, ...]


def pareto_front(points: Iterable[Costs]) -> list[Costs]:
    """The points that no other one beats, each once, in lexicographic order.

    One point beats another if it is nowhere worse and somewhere better. All are gone through in
    lexicographic order, and among those kept one is looked for that is as good in every objective
    but the first: as in Kung, Luccio and Preparata, "On Finding the Maxima of a Set of Vectors"
    (1975). That takes n log n for up to three objectives, and a log n more for each further one.
    """
    ordered = sorted(set(points))
    ranked = _ranked(ordered)
    kept = _kept_for([max(ranks) + 1 for ranks in list(zip(*ranked, strict=True))[1:]])
    front = []
    for point, ranks in zip(ordered, ranked, strict=True):
        # A point that beats this one comes before it, and is kept or beaten by one that is.
        if not kept.has_as_good(ranks[1:]):
            front.append(point)
            kept.add(ranks[1:])
    return front


def _ranked(points: Sequence[Costs]) -> list[Ranks]:
    """The points with each figure as its place among all, since fractions compare slowly."""
    columns = []
    for figures in zip(*points, strict=True):
        places = {figure: place for place, figure in enumerate(sorted(set(figures)))}
        columns.append([places[figure] for figure in figures])
    return list(zip(*columns, strict=True))


class _Kept:
    """Points in no further objective: any is as good as any other."""

    def __init__(self) -> None:
        self.any = False

    def has_as_good(self, point: Ranks) -> bool:  # noqa: ARG002 - it has no coordinates
        """Whether one of them is as good as the point in every objective."""
        return self.any

    def add(self, point: Ranks) -> None:  # noqa: ARG002
        """Keep a point to which none is as good."""
        self.any = True


class _Least(_Kept):
    """Points in one further objective: the least."""

    def __init__(self) -> None:
        super().__init__()
        self.least = -1

    def has_as_good(self, point: Ranks) -> bool:
        return self.any and self.least <= point[0]

    def add(self, point: Ranks) -> None:
        self.any = True
        self.least = point[0]


class _Stairs(_Kept):
    """Points in two: where the first grows, the second falls."""

    def __init__(self) -> None:
        super().__init__()
        self.firsts: list[int] = []
        self.seconds: list[int] = []

    def has_as_good(self, point: Ranks) -> bool:
        before = bisect_right(self.firsts, point[0])
        return before > 0 and self.seconds[before - 1] <= point[1]

    def add(self, point: Ranks) -> None:
        first, second = point
        begin = end = bisect_left(self.firsts, first)
        while end < len(self.firsts) and self.seconds[end] >= second:
            end += 1
        self.firsts[begin:end] = [first]
        self.seconds[begin:end] = [second]


class _Tree(_Kept):
    """Points in more: a Fenwick tree over the first, whose nodes keep points in the others."""

    def __init__(self, spans: Sequence[int]) -> None:
        super().__init__()
        self.spans = spans
        self.nodes: dict[int, _Kept] = {}

    def has_as_good(self, point: Ranks) -> bool:
        place, others = point[0] + 1, point[1:]
        while place:
            node = self.nodes.get(place)
            if node is not None and node.has_as_good(others):
                return True
            place -= place & -place
        return False

    def add(self, point: Ranks) -> None:
        place, others = point[0] + 1, point[1:]
        while place <= self.spans[0]:
            if place not in self.nodes:
                self.nodes[place] = _kept_for(self.spans[1:])
            if not self.nodes[place].has_as_good(others):
                self.nodes[place].add(others)
            place += place & -place


def _kept_for(spans: Sequence[int]) -> _Kept:
    """A place for points in further objectives of so many ranks each."""
    match len(spans):
        case 0:
            return _Kept()
        case 1:
            return _Least()
        case 2:
            return _Stairs()
        case _:
            return _Tree(spans)
