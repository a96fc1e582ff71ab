"""Which tensors each step of a pass takes and returns: every tensor has a number, its wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from ucseg_cli.engine.parts.signatures import UnknownValueError
from ucseg_cli.engine.recording.tensor_numbers import named_tensors_in
from ucseg_cli.facts import parts as facts

WIRE = "wire_of_ucseg"
"""The attribute by which a tensor knows its number."""

Numbers = tuple[int | None, ...]
"""Wires; None for a weight."""


class _Step(NamedTuple):
    """A step as it runs: *module* is the address of the module that is called, if one is."""

    part: int | None
    inputs: Numbers
    outputs: Numbers
    module: int | None


class Wires:
    """Follows the tensors of a pass from step to step."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._before = self._last = 0

    def begin(self, inputs: Iterable[Tensor]) -> None:
        """A new pass, on these tensors; numbers of an earlier one mean nothing any more."""
        self._steps, self._before = [], self._last
        for tensor in inputs:
            self._number(tensor)

    @property
    def count(self) -> int:
        """How many steps have run."""
        return len(self._steps)

    def of(self, tensors: Iterable[Tensor]) -> Numbers:
        """The numbers of tensors."""
        return tuple(map(self._known, tensors))

    def add(
        self, part: int | None, inputs: Numbers, out: Any, module: nn.Module | None = None
    ) -> None:
        """A step that has run: the call of an operator or of a module."""
        outputs = tuple(map(self._number, tensors_of(out)))
        self._steps.append(_Step(part, inputs, outputs, None if module is None else id(module)))

    def replace(self, begin: int, part: int, inputs: Numbers, out: Any, module: nn.Module) -> None:
        """Let those from number *begin* on be one step, a call of *module*."""
        del self._steps[begin:]
        self.add(part, inputs, out, module)

    def since(
        self, begin: int, module: nn.Module, inputs: Sequence[Tensor], out: Any
    ) -> facts.Wiring:
        """The steps from number *begin* on, as those of a call of *module*.

        Raises UnknownValueError where one takes what *module* was not given.
        """
        given = self.of(inputs)
        local = {wire: number for number, wire in enumerate(given) if wire is not None}
        steps, count = self._steps[begin:], len(given)
        paths = _paths(module, {step.module for step in steps if step.part is not None})
        found = []
        for step in steps:
            taken = tuple(_local(step.inputs, local))
            for wire in step.outputs:
                if wire is not None and wire not in local:
                    local[wire] = count
                    count += 1
            path = None if step.module is None else paths.get(step.module)
            found.append(facts.Step(step.part, taken, tuple(_local(step.outputs, local)), path))
        returned = tuple(_local(self.of(tensors_of(out)), local))
        return facts.Wiring(len(given), tuple(found), returned)

    def _known(self, tensor: Tensor) -> int | None:
        number: int = getattr(tensor, WIRE, 0)
        return number if number > self._before else None

    def _number(self, tensor: Tensor) -> int:
        number = self._known(tensor)
        if number is None:
            number = self._last = self._last + 1
            setattr(tensor, WIRE, number)
        return number


def tensors_of(out: Any) -> list[Tensor]:
    """The tensors in what a call returned, in order."""
    return [out] if isinstance(out, Tensor) else [tensor for _, tensor in named_tensors_in(out)]


def _local(numbers: Numbers, known: Mapping[int, int]) -> Iterator[int | None]:
    for wire in numbers:
        if wire is not None and wire not in known:
            raise UnknownValueError("a tensor from elsewhere")
        yield None if wire is None else known[wire]


def _paths(module: nn.Module, called: set[int | None]) -> dict[int, str]:
    """The paths of the modules inside by their addresses; none of those within one *called*."""
    found: dict[int, str] = {}

    def enter(parent: nn.Module, inside: str) -> None:
        for name, child in parent._modules.items():
            if child is not None:
                found[id(child)] = inside + name
                if id(child) not in called:
                    enter(child, f"{inside}{name}.")

    enter(module, "")
    return found
