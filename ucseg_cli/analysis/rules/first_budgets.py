"""The limits that a project begins with: a little above today's figures."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import METRICS

MARGIN, ROUNDING = 2, 1
"""Percent that a limit lies above today's figure, and that rounding it up may add."""


class FirstBudget(NamedTuple):
    """A metric with today's figure; its limit has room for small changes."""

    metric: str
    value: int

    @property
    def in_bytes(self) -> bool:
        """Whether it counts bytes."""
        return METRICS[self.metric].in_bytes

    @property
    def limit(self) -> int:
        """MARGIN above the value, rounded up to as few digits as ROUNDING allows."""
        least = -(-self.value * (100 + MARGIN) // 100)
        for dropped in reversed(range(len(str(least)))):
            step = int(10**dropped)
            rounded = -(-least // step) * step
            if (rounded - least) * 100 <= self.value * ROUNDING:
                return rounded
        return least
