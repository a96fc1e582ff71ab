"""A lock compared with its models: what drifted from it, and what locking again would change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.comparing.drift import Drift
from ucseg_cli.facts.conditions import Conditions


def is_lowered(drifts: Iterable[Drift]) -> bool:
    """Whether a total of the whole network fell."""
    return any(drift.kind == "total" and (drift.delta or 0) < 0 for drift in drifts)


class LockState(NamedTuple):
    """A lock compared with its models.

    By model, *lines* is its place in the file, and *since* the day it was last written so.
    """

    path: str
    lines: Mapping[str, int]
    since: Mapping[str, str]
    conditions: Sequence[Conditions]
    drifts: Sequence[Drift]


class ModelChange(NamedTuple):
    """The effect of locking a model: *drifts* is None for a new one, *raised* are higher totals.

    *extended* is one that has not changed, but was locked by a release with fewer metrics.
    """

    model: str
    sizes: Sequence[str]
    drifts: Sequence[Drift] | None
    raised: tuple[Drift, ...] = ()
    extended: bool = False

    @property
    def state(self) -> str:
        """In one word."""
        if self.drifts is None:
            return "new"
        if self.raised:
            return "raised"
        if self.drifts:
            return "lowered" if is_lowered(self.drifts) else "changed"
        return "extended" if self.extended else "unchanged"
