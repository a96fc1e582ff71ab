"""A block of calls, as a process measured it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Block(NamedTuple):
    """Calls of one model without another between, in nanoseconds each.

    *received* is the processor time of all of them; None where they do not run on one core.
    """

    calls: Sequence[int]
    received: int | None = None

    @property
    def kept(self) -> Sequence[int]:
        """All but the first, which finds the caches full of another model; of one call that."""
        return self.calls[1:] or self.calls
