from __future__ import annotations

import pytest

from ucseg_cli.analysis.timing.latency_limits import LatencyLimit, parse_latency_limit
from ucseg_cli.errors import UcsegError


def test_a_limit_has_a_metric_and_a_time_with_its_unit() -> None:
    found = parse_latency_limit("Latency_P95= 33.5 ms")
    assert found == LatencyLimit("latency-p95", 33_500_000, "33.5 ms")
    assert str(found) == "latency-p95 ≤ 33.5 ms"


@pytest.mark.parametrize(
    ("text", "what", "help_"),
    [
        ("latency-p95", "'latency-p95' is not a limit", "write a metric and a time"),
        ("latency-p96=3ms", "no metric of time named 'latency-p96'", "did you mean"),
        ("params=600k", "'params' is counted, not measured", "`ucseg check --max params=600k`"),
        ("parameters=6", "'parameters' is counted, not measured", "`ucseg check --max"),
        ("latency-p95=33", "'33' is not a time", "33ms"),
        ("latency-p95=-3ms", "'-3ms' is not a time", "33ms"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, what: str, help_: str) -> None:
    with pytest.raises(UcsegError) as refused:
        parse_latency_limit(text)
    assert refused.value.what.startswith(what)
    assert help_ in (refused.value.help or "")
    assert refused.value.where == f"--max {text}"


@pytest.mark.parametrize(
    ("metric", "calls"), [("latency-p50", 2), ("latency-p95", 20), ("latency-p99", 100)]
)
def test_a_metric_is_known_from_the_call_on_that_lies_beyond_it(metric: str, calls: int) -> None:
    assert LatencyLimit(metric, 1, "").least_calls == calls
