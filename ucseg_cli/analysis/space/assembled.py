"""The figures of variants that are made of parts: each part is priced once, and sums are sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, total_params
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.analysis.space.benefits import LIVE_POSITIONS, live_positions
from ucseg_cli.facts.parts import Assembled, Composed, Made, Part, PartBook

ADDITIVE = (*CONVENTIONS, LIVE_POSITIONS.name)
"""The figures of a pass that are the sum of its parts'."""


class PartFigures(NamedTuple):
    """The figures of a part.

    Args:
        additive: those of ADDITIVE.
        most: bytes of the storages that it makes itself, as many as are alive at once.
    """

    additive: tuple[int, ...]
    most: int


class AssembledFigures:
    """Prices variants made of the parts in a book, which may grow in the meantime."""

    def __init__(self, book: PartBook) -> None:
        self._book = book
        self._parts: list[PartFigures] = []
        self._weights: list[tuple[int, ...]] = []

    def totals(self, variant: Assembled) -> dict[str, int]:
        """Every metric that needs no more than the parts; equal to that of the variant's trace."""
        self._read_book()
        run = self._composed(variant.run)
        weights = _sum((self._weights[number] for number in variant.weights), len(PARAM_METRICS))
        return {
            **dict(zip(PARAM_METRICS, weights, strict=True)),
            **dict(zip(ADDITIVE, run.additive, strict=True)),
            "peak-memory": variant.input_bytes + run.most,
        }

    def _read_book(self) -> None:
        for part in self._book.parts[len(self._parts) :]:
            self._parts.append(self._figures(part))
        for owned in self._book.weights[len(self._weights) :]:
            known = total_params(owned)
            self._weights.append(tuple(known[metric] for metric in PARAM_METRICS))

    def _figures(self, part: Part) -> PartFigures:
        if isinstance(part, Composed):
            return self._composed(part)
        given = {part.tensors[tensor].storage for tensor in part.inputs}
        inputs = sum(part.storages[storage] for storage in given)
        additive = (*total_flops(part).values(), live_positions(part))
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
        if end is not None:  # one that is dropped at once was alive while its step ran
            changes[max(end, begin + 1)] -= size
    return max(map(int.__add__, accumulate(changes[:-1]), own), default=0)


def _sum(rows: Iterable[tuple[int, ...]], length: int) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True))) or (0,) * length
