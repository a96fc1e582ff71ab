"""The commits at which a metric of a model changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.system.git_objects import Commit
from ucseg_cli.units import exact_ratio


class End(Enum):
    """Why a history goes no further back."""

    BEGINS = "begins"
    """The commit before does not have the model."""
    SINCE = "since"
    MAX_COUNT = "max-count"
    SHALLOW = "shallow"
    """The commit before is not in this clone."""


class Stage(NamedTuple):
    """A model at a commit: its metrics, or the reason why it has none there."""

    commit: Commit
    totals: Mapping[str, int]
    reason: str | None = None


class History(NamedTuple):
    """A model at each commit, the newest first, and why it goes no further back."""

    name: str
    stages: Sequence[Stage]
    end: End


class Step(NamedTuple):
    """A commit at which a metric changed.

    *status* is ``changed``; ``fails`` where the model cannot be built or run any more, for
    *reason*; and for the oldest ``new``, if the model began there, else ``oldest``. *before* is the
    last known value.
    """

    metric: str
    commit: Commit
    status: str
    before: int | None
    after: int | None
    reason: str | None = None

    @property
    def delta(self) -> int | None:
        """After minus before; None where one of them is missing."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def change(self) -> Fraction | str | None:
        """The delta as a ratio of before; ``new`` for a model that begins."""
        if self.status == "new":
            return "new"
        return None if self.delta is None or self.before is None else _ratio(self)


def steps_of(history: History, metric: str) -> list[Step]:
    """The commits at which a metric changed, the newest first."""
    found: list[Step] = []
    last: int | None = None
    reason: str | None = None
    for stage in reversed(history.stages):
        value = stage.totals.get(metric)
        status = "changed" if last is not None else "new"
        if not found:
            status = "new" if history.end is End.BEGINS else "oldest"
        if value is None:
            if not found or stage.reason != reason:
                found.append(Step(metric, stage.commit, "fails", last, None, stage.reason))
        elif not found or reason is not None or value != last:
            found.append(Step(metric, stage.commit, status, last, value))
        last, reason = last if value is None else value, stage.reason if value is None else None
    return found[::-1]


def values_of(history: History, metric: str) -> list[int | None]:
    """The metric at each commit, the oldest first."""
    return [stage.totals.get(metric) for stage in reversed(history.stages)]


def _ratio(step: Step) -> Fraction | None:
    return exact_ratio(step.delta or 0, step.before or 0)
