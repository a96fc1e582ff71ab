"""Limits on measured time: ``latency-p95=33ms``, and whether a model keeps to one."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import METRICS, SYNONYMS
from ucseg_cli.analysis.timing.samples import P95, P99, Statistics
from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.units import parse_duration

METRIC_SHARES = {"latency-p50": Fraction(1, 2), "latency-p95": P95, "latency-p99": P99}
"""The metrics of time, and the share of calls that takes no longer."""


class LatencyLimit(NamedTuple):
    """A bound in nanoseconds on a metric of time. *text* is the bound as it was written."""

    metric: str
    bound: int
    text: str

    @property
    def least_calls(self) -> int:
        """So many calls have to be measured before the metric is known."""
        beyond = 1 - METRIC_SHARES[self.metric]
        return -(-beyond.denominator // beyond.numerator)

    def figure(self, statistics: Statistics) -> int | None:
        """The figure that is limited; None of too few calls."""
        figures = {
            "latency-p50": statistics.p50,
            "latency-p95": statistics.p95,
            "latency-p99": statistics.p99,
        }
        return figures[self.metric]

    def __str__(self) -> str:
        """As in ``latency-p95 ≤ 33ms``."""
        return f"{self.metric} ≤ {self.text}"


class LatencyCheck(NamedTuple):
    """A model and a limit; *value* is None where too few calls were measured."""

    model: str
    limit: LatencyLimit
    value: int | None

    @property
    def status(self) -> str | None:
        """``pass`` or ``fail``; None where it is unknown."""
        if self.value is None:
            return None
        return "pass" if self.value <= self.limit.bound else "fail"


def parse_latency_limit(text: str) -> LatencyLimit:
    """``latency-p95=33ms`` as a limit; raises UsageError."""
    where = f"--max {text}"
    name, equals, bound = text.partition("=")
    if not equals:
        fix = "write a metric and a time, as in latency-p95=33ms"
        raise UsageError(f"'{text}' is not a limit", where=where, help=fix)
    metric = name.strip().casefold().replace("_", "-")
    if metric in METRICS or metric in SYNONYMS:
        fix = f"`ucseg check --max {text}` limits it"
        raise UsageError(f"'{metric}' is counted, not measured", where=where, help=fix)
    if metric not in METRIC_SHARES:
        raise UnknownNameError("metric of time", name, METRIC_SHARES, where=where)
    return LatencyLimit(metric, parse_duration(bound, where), bound.strip())
