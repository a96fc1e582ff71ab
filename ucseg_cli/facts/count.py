"""A counter's answer for a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Count(NamedTuple):
    """A network's count in the units of a convention; *convention* is None for parameters.

    *operators* is None for a counter that does not report them. One that learns of modules from
    their calls does not see those that are only iterated: *sees_uncalled* is False. *failure* is
    why it could not count, with nothing counted.
    """

    counter: str
    convention: str | None
    total: int
    modules: Mapping[str, int]
    operators: Mapping[str, int] | None = None
    sees_uncalled: bool = True
    failure: str | None = None
