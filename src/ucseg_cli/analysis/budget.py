"""Judging figures by limits: one predicate on exact integers decides screen, JSON and exit status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.totals import METRICS
from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.units import parse_count


class Limit(NamedTuple):
    """The largest value that a metric may have."""

    metric: str
    max: int


class Check(NamedTuple):
    """A value held to a limit. *size* is None for a metric that does not depend on the input."""

    id: str
    variant: str
    size: str | None
    metric: str
    value: int
    max: int

    @property
    def margin(self) -> int:
        """How much is left; negative by how much the limit is exceeded."""
        return self.max - self.value

    @property
    def passed(self) -> bool:
        """A value equal to its limit is within it."""
        return self.value <= self.max

    @property
    def status(self) -> str:
        """``pass`` or ``fail``."""
        return "pass" if self.passed else "fail"


class Measured(NamedTuple):
    """Every metric of one model on one input."""

    variant: str
    size: str
    figures: Mapping[str, int]


def parse_limit(text: str) -> Limit:
    """``params=650k`` as a Limit; raises UsageError for an unknown metric or an inexact quantity."""
    where = f"--max {text}"
    metric, equals, quantity = text.partition("=")
    if not equals:
        raise UsageError(f"'{text}' is not a limit", where=where, help="write METRIC=QUANTITY, as in params=650k")
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS, where=where)
    return Limit(metric, parse_count(quantity, where=where))


def judge(measured: Iterable[Measured], limits: Iterable[Limit]) -> tuple[Check, ...]:
    """Every model held to every limit. What does not depend on the input is judged once per model."""
    checks: dict[str, Check] = {}
    limits = tuple(limits)
    for model in measured:
        for limit in limits:
            size = model.size if METRICS[limit.metric].depends_on_size else None
            identity = f"{model.variant}{f'@{size}' if size else ''}:{limit.metric}<={limit.max}"
            value = model.figures[limit.metric]
            checks.setdefault(identity, Check(identity, model.variant, size, limit.metric, value, limit.max))
    return tuple(checks.values())
