"""Passes made of parts: many variants of one design, of which each part was recorded once."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.trace import Trace


class Made(NamedTuple):
    """A storage that a part made, in bytes: alive from step number *begin* up to *end*.

    *end* is None if it is alive at the end of the pass, or returned by the part around it.
    """

    size: int
    begin: int
    end: int | None


class Composed(NamedTuple):
    """Parts that run one after the other, by number, and the storages that pass between them."""

    steps: tuple[int, ...]
    made: tuple[Made, ...]


Part = Trace | Composed
"""The call of one operator, as a network of its own, or of a module."""


class Assembled(NamedTuple):
    """One variant.

    Args:
        run: its pass.
        input_bytes: the storages of its input.
        weights: the numbers of what it owns, module by module.
        geometry: equal for variants that treat the places of every map alike.
    """

    run: Composed
    input_bytes: int
    weights: tuple[int, ...]
    geometry: int


Outcome = Assembled | Trace | UcsegError
"""A variant by its parts; as a whole, where it is not made of parts; or why it is not there."""


class PartBook(NamedTuple):
    """The parts of many variants, and the modules that they own, each by its number.

    A part stands after those that it is composed of.
    """

    parts: list[Part]
    weights: list[Trace]
