"""Passes made of parts: many variants of one design, of which each part was recorded once."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.trace import Tap, Trace


class Made(NamedTuple):
    """A storage that a part made, in bytes: alive from step number *begin* up to *end*.

    *end* is None if it is alive at the end of the pass, or returned by the part around it.
    """

    size: int
    begin: int
    end: int | None


class Step(NamedTuple):
    """A step of a wired pass; tensors by their numbers in it, None for a weight.

    Args:
        part: the number of the part that runs; None for a module that is not a part, after the
            steps that it is made of.
        inputs: the tensors that it takes, in order.
        outputs: those that it returns; one that it also takes was written in place.
        module: the path of the module that is called, from the one around it, if it has one.
    """

    part: int | None
    inputs: tuple[int | None, ...]
    outputs: tuple[int | None, ...]
    module: str | None


class Wiring(NamedTuple):
    """Which step of a pass takes what another one returned.

    Args:
        inputs: how many tensors go in; they have the first numbers.
        steps: each takes whole modules at once, where these are parts.
        outputs: the tensors that are returned.
    """

    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[int | None, ...]


class Composed(NamedTuple):
    """Parts that run one after the other, by number, and the storages that pass between them.

    *wiring* is None where no metric needs it.
    """

    steps: tuple[int, ...]
    made: tuple[Made, ...]
    wiring: Wiring | None = None


Part = Trace | Composed
"""The call of one operator, as a network of its own, or of a module."""


class Assembled(NamedTuple):
    """One variant.

    Args:
        run: its pass.
        input_bytes: the storages of its input.
        weights: the numbers of what it owns, module by module.
        inputs: the shapes of the tensors that go in.
        taps: the feature maps that its design names, else its top-level modules.
        branches: the paths of an ASPP's, in a network that has one where the family does.
    """

    run: Composed
    input_bytes: int
    weights: tuple[int, ...]
    inputs: tuple[tuple[int, ...], ...] = ()
    taps: tuple[Tap, ...] = ()
    branches: tuple[str, ...] = ()


Outcome = Assembled | Trace | UcsegError
"""A variant by its parts; as a whole, where it is not made of parts; or why it is not there."""


class PartBook(NamedTuple):
    """The parts of many variants, and the modules that they own, each by its number.

    A part stands after those that it is composed of.
    """

    parts: list[Part]
    weights: list[Trace]
