"""The figures of variants that are made of parts: each part is priced once, and sums are sums."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import PRICED
from ucseg_cli.analysis.counting.metrics import MOVED_BYTES
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, total_params
from ucseg_cli.analysis.memory.moved_bytes import moved_bytes
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.analysis.space.benefits import (
    BENEFITS,
    LIVE_POSITIONS,
    figure_of,
    figure_of_maps,
    live_positions,
    maps_of,
)
from ucseg_cli.analysis.space.geometries import Geometries
from ucseg_cli.analysis.space.slices import Slices
from ucseg_cli.facts.parts import Assembled, Composed, Made, Outcome, Part, PartBook
from ucseg_cli.facts.trace import Price, Trace

ADDITIVE = (*PRICED, MOVED_BYTES, LIVE_POSITIONS.name)
"""The figures of a pass that are the sum of its parts'."""
WIRED = frozenset(BENEFITS) - {LIVE_POSITIONS.name}
"""Benefits that depend on the way from the input: on how the parts are connected."""


class PartFigures(NamedTuple):
    """The figures of a part.

    Args:
        additive: those of ADDITIVE.
        most: bytes of the storages that it makes itself, as many as are alive at once.
    """

    additive: tuple[int, ...]
    most: int


class OutcomeFigures:
    """Prices variants made of the parts in a book, which may grow in the meantime.

    *prices* are the project's own.
    """

    def __init__(self, book: PartBook, prices: tuple[Price, ...] = ()) -> None:
        self.book = book
        self._prices = prices
        self._slices, self._geometries = Slices(book), Geometries(book)
        self._parts: list[PartFigures] = []
        self._weights: list[tuple[int, ...]] = []
        self._totals: tuple[Outcome | None, dict[str, int]] = (None, {})
        self._priced: tuple[Trace, Trace] | None = None
        self._of_maps: dict[Hashable, int | None] = {}

    def figure(self, outcome: Outcome, metric: str) -> int | None:
        """A metric, cost or benefit, of a variant: the one that its trace has."""
        if isinstance(outcome, Assembled):
            if metric.partition(":")[0] in WIRED:
                return self._figure_of_maps(outcome, metric)
            if self._totals[0] is not outcome:
                self._totals = outcome, self.totals(outcome)
            return self._totals[1][metric]
        if not isinstance(outcome, Trace):
            return None
        if self._priced is None or self._priced[0] is not outcome:
            self._priced = outcome, outcome.with_prices(self._prices)
        return figure_of(self._priced[1], metric)

    def _figure_of_maps(self, variant: Assembled, metric: str) -> int | None:
        """The same for all variants whose steps up to these maps treat places alike."""
        maps = maps_of(metric, variant.branches, variant.taps)
        part = self._slices.slice_to(variant, [tap.module for tap in maps])
        key = self._geometries.of_slice(part), metric, maps
        if key not in self._of_maps:
            self._of_maps[key] = figure_of_maps(self._slices.trace(part), metric, maps)
        return self._of_maps[key]

    def totals(self, variant: Assembled) -> dict[str, int]:
        """Every metric that needs no more than the parts."""
        self._read_book()
        run = self._composed(variant.run)
        weights = _sum((self._weights[number] for number in variant.weights), len(PARAM_METRICS))
        return {
            **dict(zip(PARAM_METRICS, weights, strict=True)),
            **dict(zip(ADDITIVE, run.additive, strict=True)),
            "peak-memory": variant.input_bytes + run.most,
        }

    def _read_book(self) -> None:
        for part in self.book.parts[len(self._parts) :]:
            self._parts.append(self._figures(part))
        for owned in self.book.weights[len(self._weights) :]:
            known = total_params(owned)
            self._weights.append(tuple(known[metric] for metric in PARAM_METRICS))

    def _figures(self, part: Part) -> PartFigures:
        if isinstance(part, Composed):
            return self._composed(part)
        given = {part.tensors[tensor].storage for tensor in part.inputs}
        inputs = sum(part.storages[storage] for storage in given)
        priced = total_flops(part.with_prices(self._prices), PRICED).values()
        additive = (*priced, moved_bytes(part), live_positions(part))
        return PartFigures(additive, peak_memory(part).bytes - inputs)

    def _composed(self, part: Composed) -> PartFigures:
        steps = [self._parts[number] for number in part.steps]
        additive = _sum((step.additive for step in steps), len(ADDITIVE))
        return PartFigures(additive, _most_alive([step.most for step in steps], part.made))


def _most_alive(own: Sequence[int], made: Iterable[Made]) -> int:
    """The most bytes alive at once, while steps run one after the other.

    During a step its *own* storages are counted with it; those of the steps before are counted as
    long as they live.
    """
    changes = [0] * (len(own) + 1)
    for size, begin, end in made:
        changes[begin + 1] += size
        if end is not None:
            changes[end] -= size
    return max(map(int.__add__, accumulate(changes[:-1]), own), default=0)


def _sum(rows: Iterable[tuple[int, ...]], length: int) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True))) or (0,) * length
