from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.budget import Check, Limit, Measured, judge, parse_limit
from ucseg_cli.analysis.conventions import CONVENTIONS, find_convention
from ucseg_cli.analysis.totals import METRICS
from ucseg_cli.errors import UnknownNameError, UsageError

FIGURES = dict.fromkeys(METRICS, 1_000)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("params=650k", Limit("params", 650_000)),
        ("bytes=2.5MB", Limit("bytes", 2_500_000)),
        ("fvcore=0", Limit("fvcore", 0)),
    ],
)
def test_a_limit_is_a_metric_and_a_quantity(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["params", "", "params650k"])
def test_a_limit_without_its_sign_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="is not a limit") as caught:
        parse_limit(text)
    assert caught.value.where == f"--max {text}"
    assert caught.value.help == "write METRIC=QUANTITY, as in params=650k"


@pytest.mark.parametrize(("metric", "nearest"), [("parms", "params"), ("FVCORE", "fvcore"), ("mac", "macs")])
def test_an_unknown_metric_lists_all_and_suggests_the_nearest(metric: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no metric named '{metric}'") as caught:
        parse_limit(f"{metric}=1")
    assert caught.value.help == f"did you mean '{nearest}'?"
    assert caught.value.notes == (f"known: {', '.join(METRICS)}",)


@pytest.mark.parametrize("quantity", ["", "65x", "-1", "0.5", "1.0001k", "=3"])
def test_an_inexact_quantity_is_refused_where_it_stands(quantity: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_limit(f"params={quantity}")
    assert caught.value.where == f"--max params={quantity}"


@pytest.mark.parametrize(
    ("value", "passed", "margin", "status"),
    [(999, True, 1, "pass"), (1_000, True, 0, "pass"), (1_001, False, -1, "fail")],
)
def test_a_value_equal_to_its_limit_is_within_it(value: int, margin: int, status: str, *, passed: bool) -> None:
    check = Check(id="id", variant="v2", metric="params", size="224", value=value, max=1_000)
    assert (check.passed, check.margin, check.status) == (passed, margin, status)


def test_every_model_is_held_to_every_limit_in_order() -> None:
    measured = [Measured("v1", "224", FIGURES), Measured("v2", "224", FIGURES | {"params": 2_000})]
    checks = judge(measured, [Limit("params", 1_500), Limit("macs", 999)])
    assert [(check.variant, check.metric, check.value, check.status) for check in checks] == [
        ("v1", "params", 1_000, "pass"),
        ("v1", "macs", 1_000, "fail"),
        ("v2", "params", 2_000, "fail"),
        ("v2", "macs", 1_000, "fail"),
    ]


def test_what_does_not_depend_on_the_input_is_judged_once_per_model() -> None:
    measured = [Measured("v2", size, FIGURES) for size in ("224", "512")]
    checks = judge(measured, [Limit("params", 5), Limit("fvcore", 5)])
    assert [check.id for check in checks] == ["v2:params<=5", "v2@224:fvcore<=5", "v2@512:fvcore<=5"]


def test_limits_may_come_from_an_iterator() -> None:
    measured = [Measured("v1", "224", FIGURES), Measured("v2", "224", FIGURES)]
    assert len(judge(iter(measured), iter([Limit("params", 1)]))) == 2


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2"]), st.integers(0, 9))),
    st.lists(st.builds(Limit, st.sampled_from(list(METRICS)), st.integers(0, 9))),
)
def test_no_check_is_made_twice_and_none_is_forgotten(models: list[tuple[str, str, int]], limits: list[Limit]) -> None:
    measured = [Measured(name, size, dict.fromkeys(METRICS, value)) for name, size, value in models]
    checks = judge(measured, limits)
    assert len({check.id for check in checks}) == len(checks)
    wanted = {(model.variant, limit.metric, limit.max) for model in measured for limit in limits}
    assert {(check.variant, check.metric, check.max) for check in checks} == wanted


def test_what_depends_on_the_input_is_every_convention_and_the_peak() -> None:
    assert {name for name, metric in METRICS.items() if metric.depends_on_size} == {*CONVENTIONS, "peak-memory"}
    assert {name for name, metric in METRICS.items() if metric.in_bytes} == {"bytes", "peak-memory"}


def test_a_convention_is_found_by_name_and_the_nearest_suggested() -> None:
    assert find_convention("macs") is CONVENTIONS["macs"]
    with pytest.raises(UnknownNameError) as caught:
        find_convention("fvcor")
    assert caught.value.help == "did you mean 'fvcore'?"
    assert caught.value.where == "--convention fvcor"
