"""How steps treat the places of maps: alike in variants that differ in channels alone."""

from __future__ import annotations

from collections.abc import Hashable

from ucseg_cli.analysis.space.slices import Slice, wiring_of
from ucseg_cli.facts.parts import Composed, PartBook, Wiring
from ucseg_cli.facts.trace import HELD, KERNEL, Op, Trace

SEQUENCE = 3
"""The rank of a row of positions, with batch and channels on either side."""
OF_CHANNELS = {"groups", HELD, KERNEL}
"""Settings of a call that matter to channels and memory alone."""


class Geometries:
    """Numbers what the parts in a book do: equal numbers read equally far at equal strides."""

    def __init__(self, book: PartBook) -> None:
        self._book = book
        self._of_parts: dict[int, int] = {}
        self._numbers: dict[Hashable, int] = {}

    def of_slice(self, part: Slice) -> int:
        """The number of all steps of a slice together, on its inputs."""
        return self._number((part.inputs, self._steps(part.wiring)))

    def _of_part(self, number: int) -> int:
        if number not in self._of_parts:
            part = self._book.parts[number]
            self._of_parts[number] = self._number(
                self._steps(wiring_of(part)) if isinstance(part, Composed) else _operator(part)
            )
        return self._of_parts[number]

    def _steps(self, wiring: Wiring) -> Hashable:
        steps = (
            step._replace(part=None if step.part is None else self._of_part(step.part))
            for step in wiring.steps
        )
        return wiring._replace(steps=tuple(steps))

    def _number(self, found: Hashable) -> int:
        return self._numbers.setdefault(found, len(self._numbers))


def _operator(part: Trace) -> Hashable:
    tensors = ((_places(tensor.shape), tensor.storage) for tensor in part.tensors)
    ops = ((op.name, op.inputs, op.outputs, op.composite, _settings(op)) for op in part.ops)
    return part.inputs, part.outputs, tuple(tensors), tuple(ops)


def _settings(op: Op) -> Hashable:
    return tuple((name, value) for name, value in op.attributes.items() if name not in OF_CHANNELS)


def _places(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sides that may be places: of a map those after batch and channels."""
    if len(shape) < SEQUENCE:
        return ()
    return shape if len(shape) == SEQUENCE else shape[2:]
