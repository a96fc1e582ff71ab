"""Designs, which can be built: a class, a function or a model, or a network of a library."""

from __future__ import annotations

from itertools import starmap
from typing import Any, NamedTuple

from ucseg_cli.facts.encoding.encoded_trace import decode_axis
from ucseg_cli.facts.trace import ConstructorAxis


class Design(NamedTuple):
    """Something that can be built by its name, with the arguments that it takes.

    Args:
        name: as in ``net.py:NAME``.
        kind: ``class``, ``function`` or ``model``, which is built already.
        axes: the arguments of its constructor, with their defaults as values.
        about: the first line of its docstring.
    """

    name: str
    kind: str
    axes: tuple[ConstructorAxis, ...] = ()
    about: str = ""


def decode_design(row: Any) -> Design:
    """The inverse of what JSON makes of a design."""
    name, kind, axes, about = row
    return Design(str(name), str(kind), tuple(starmap(decode_axis, axes)), str(about))
