from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fixture_types import TraceOf
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, METRICS, totals
from ucseg_cli.analysis.memory.moved_bytes import moved_bytes
from ucseg_cli.analysis.memory.peak_memory import peak_memory, weights_bytes
from ucseg_cli.analysis.rules.budget_checks import (
    Baseline,
    Check,
    judge,
    parse_limit,
    points_needed,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import MistakesError, Place, UnknownNameError, UsageError
from ucseg_cli.facts.budget import Bound, Budget
from ucseg_cli.facts.conditions import Conditions, Size, make_conditions
from ucseg_cli.project.sections.budget_section import parse_change
from ucseg_cli.references import Reference, parse_reference
from ucseg_cli.references.variants import as_variant

Judge = Callable[..., tuple[Check, ...]]
SMALL = (Size(64, 64),)


def at_most(count: int) -> Bound:
    return Bound(Fraction(0), count, str(count))


def named(*names: str) -> tuple[Reference, ...]:
    return tuple(map(parse_reference, names))


@pytest.fixture(scope="module")
def judged(trace_of: TraceOf) -> Judge:
    """Budgets judged on real networks at small sizes; the baseline is v1."""

    def run(
        budgets: Iterable[Budget], sizes: Sequence[Size] = SMALL, baseline: str = "v1"
    ) -> tuple[Check, ...]:
        budgets, inputs = list(budgets), [make_conditions(size, 1) for size in sizes]
        (base,) = named(baseline)
        subjects = {
            point: Subject(
                point.reference.name,
                trace_of(as_variant(point.reference.name), point.conditions),
                point.reference.variant,
            )
            for point in points_needed(budgets, inputs, Baseline(base))
        }
        return judge(budgets, inputs, subjects, Baseline(base))

    return run


@pytest.mark.parametrize(
    ("text", "metric", "most"),
    [
        ("params=650k", "params", 650_000),
        ("bytes=2.5MB", "bytes", 2_500_000),
        ("fvcore=0", "fvcore", 0),
    ],
)
def test_a_limit_is_a_metric_and_a_quantity(text: str, metric: str, most: int) -> None:
    budget = parse_limit(text, named("v1", "v2"))
    assert (budget.metric, budget.variants, budget.id, budget.place) == (
        metric,
        named("v1", "v2"),
        None,
        None,
    )
    assert budget.max is not None
    assert (budget.max.limit(10**9), budget.max.against_baseline) == (most, False)


@pytest.mark.parametrize("text", ["params", "", "params650k"])
def test_a_limit_without_its_sign_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="is not a limit") as caught:
        parse_limit(text, named("v2"))
    assert caught.value.where == f"--max {text}"
    assert caught.value.help == "write METRIC=QUANTITY, as in params=650k"


@pytest.mark.parametrize(("name", "metric"), [("parameters", "params"), ("FVCORE", "fvcore")])
def test_a_limit_takes_synonyms_of_a_metric(name: str, metric: str) -> None:
    assert parse_limit(f"{name}=1", named("v2")).metric == metric


def test_a_limit_of_flops_asks_which() -> None:
    with pytest.raises(UsageError, match="any of several") as caught:
        parse_limit("flops=1", named("v2"))
    assert caught.value.help == "which? fvcore, macs or torch"
    assert caught.value.where == "--max flops=1"


@pytest.mark.parametrize(("metric", "nearest"), [("parms", "params"), ("fvcor", "fvcore")])
def test_an_unknown_metric_lists_all_and_suggests_the_nearest(metric: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no metric named '{metric}'") as caught:
        parse_limit(f"{metric}=1", named("v2"))
    assert caught.value.help == f"did you mean '{nearest}'?"
    assert caught.value.notes == (f"known: {', '.join(EVERY_METRIC)}",)


@pytest.mark.parametrize("quantity", ["", "65x", "-1", "0.5", "1.0001k", "=3", "3kB"])
def test_an_inexact_quantity_is_refused_where_it_stands(quantity: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_limit(f"params={quantity}", named("v2"))
    assert caught.value.where == f"--max params={quantity}"


@pytest.mark.parametrize(
    ("value", "status", "passed", "margin"),
    [
        (899, "pass", True, 101),
        (900, "pass", True, 100),
        (901, "warn", True, 99),
        (1_000, "warn", True, 0),
        (1_001, "fail", False, -1),
    ],
)
def test_a_value_equal_to_a_limit_is_within_it(
    value: int, status: str, margin: int, *, passed: bool
) -> None:
    check = Check("id", "v2", None, None, "params", None, value, max=1_000, warn=900)
    assert (check.status, check.passed, check.margin) == (status, passed, margin)


def test_without_a_maximum_it_can_only_warn() -> None:
    check = Check("id", "v2", None, None, "params", None, 2_000, max=None, warn=900)
    assert (check.status, check.passed, check.margin, check.bound) == ("warn", True, -1_100, 900)


def test_every_model_is_checked_against_every_limit_in_order(judged: Judge) -> None:
    checks = judged(
        [
            Budget("p", named("v1", "v2"), "params", max=at_most(500_000)),
            Budget("m", named("v2"), "macs", max=at_most(1)),
        ]
    )
    assert [(check.id, check.variant, check.value, check.status) for check in checks][:2] == [
        ("p[v1]", "v1", 475_077, "pass"),
        ("p[v2]", "v2", 645_245, "fail"),
    ]
    assert (checks[2].id, checks[2].size, checks[2].status) == ("m", "64", "fail")


def test_a_metric_that_does_not_depend_on_the_input_is_judged_once_per_model(judged: Judge) -> None:
    sizes = (Size(32, 32), Size(64, 32))
    checks = judged(
        [Budget(None, named("v2"), metric, max=at_most(5)) for metric in ("params", "fvcore")],
        sizes,
    )
    assert [check.id for check in checks] == [
        "v2:params<=5",
        "v2@32:fvcore<=5",
        "v2@64x32:fvcore<=5",
    ]


def test_a_budget_s_own_sizes_go_before_those_of_the_command(judged: Judge) -> None:
    (check,) = judged([Budget("f", named("v2"), "fvcore", sizes=(Size(32, 64),), max=at_most(1))])
    assert check.size == "32x64"


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("decoder", ["decoder"]),
        ("decoder.*", ["decoder.0", "decoder.1"]),
        ("aspp.branches.?", [f"aspp.branches.{index}" for index in range(5)]),
        (
            "**.depthwise",
            [
                *(f"aspp.branches.{index}.depthwise" for index in (1, 2, 3)),
                *(f"decoder.{index}.depthwise" for index in (0, 1)),
            ],
        ),
    ],
)
def test_a_pattern_of_modules_is_judged_for_each_that_it_fits(
    judged: Judge, pattern: str, paths: list[str]
) -> None:
    checks = judged([Budget("d", named("v2"), "params", module=pattern, max=at_most(1))])
    assert [check.module for check in checks] == paths
    assert len({check.id for check in checks}) == len(paths)


def test_a_module_s_value_is_what_is_in_it_and_below(judged: Judge) -> None:
    whole, *parts = judged(
        [
            Budget(name, named("v2"), "fvcore", module=name, max=at_most(10**9))
            for name in ("decoder", "decoder.0", "decoder.1")
        ]
    )
    assert whole.value == sum(part.value or 0 for part in parts) > 0


def test_a_pattern_that_no_module_fits_is_an_error_with_the_nearest_and_the_line(
    judged: Judge,
) -> None:
    with pytest.raises(UsageError, match=r"no module of v2 is named 'decoder\.7'") as caught:
        judged(
            [
                Budget(
                    "d",
                    named("v2"),
                    "params",
                    module="decoder.7",
                    max=at_most(1),
                    module_place=Place("ucseg.toml", 3),
                )
            ]
        )
    assert caught.value.where == "ucseg.toml:3"
    assert str(caught.value.help).startswith("did you mean 'decoder.")


@pytest.mark.parametrize(
    ("text", "limit"),
    [("+2%", 484_578), ("0", 475_077), ("-10%", 427_569), ("+50k", 525_077), ("0%", 475_077)],
)
def test_a_change_is_added_to_the_baseline_exactly(judged: Judge, text: str, limit: int) -> None:
    bound = parse_change(text, in_bytes=False, where=Place("ucseg.toml"))
    (check,) = judged([Budget("c", named("v2"), "params", max=bound)])
    assert (check.baseline, check.max, check.allowed) == (475_077, limit, text)


@given(st.integers(0, 10**12), st.integers(0, 10**4), st.integers(0, 2 * 10**12))
def test_the_rounded_limit_decides_as_the_exact_one_would(
    baseline: int, hundredths: int, value: int
) -> None:
    bound = parse_change(f"+{hundredths / 100:.2f}%", in_bytes=False, where=Place("ucseg.toml"))
    assert (value <= bound.limit(baseline)) == (value * 10**4 <= baseline * (10**4 + hundredths))


def test_a_module_is_compared_with_the_baseline_s_of_the_same_role(
    judged: Judge,
) -> None:
    (check,) = judged(
        [
            Budget(
                "pool",
                named("v2"),
                "params",
                module="aspp.branches.4",
                max=parse_change("0", in_bytes=False, where=Place("ucseg.toml")),
            )
        ]
    )
    (same,) = judged(
        [Budget("pool", named("v1"), "params", module="aspp.branches.3", max=at_most(1))]
    )
    assert check.baseline == same.value


def test_a_module_that_the_baseline_lacks_is_an_error(judged: Judge) -> None:
    with pytest.raises(UsageError, match=r"the baseline v1 has no module 'decoder\.1'"):
        judged(
            [
                Budget(
                    "d",
                    named("v2"),
                    "params",
                    module="decoder.1",
                    max=parse_change("+1%", in_bytes=False, where=Place("ucseg.toml")),
                )
            ]
        )


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_bytes_are_judged_as_of_a_dtype(judged: Judge, trace_of: TraceOf, dtype: str) -> None:
    trace = trace_of(as_variant("v2"), Conditions(SMALL[0]))
    weights, peak = judged(
        [Budget(m, named("v2"), m, dtype=dtype, max=at_most(1)) for m in ("bytes", "peak-memory")]
    )
    assert (weights.value, peak.value) == (
        weights_bytes(trace, dtype),
        peak_memory(trace, dtype).bytes,
    )
    assert weights.value != totals(trace)["bytes"]


def test_bytes_moved_are_judged_as_of_a_dtype_in_total_and_by_module(
    judged: Judge, trace_of: TraceOf
) -> None:
    trace, budget = trace_of(as_variant("v2"), Conditions(SMALL[0])), Budget("b", named("v2"), "")
    limits = [
        budget._replace(
            id=str(module), metric="moved-bytes", module=module, dtype="float16", max=at_most(1)
        )
        for module in (None, "decoder", "decoder.0", "decoder.1")
    ]
    whole, decoder, *blocks = (check.value for check in judged(limits))
    assert whole == moved_bytes(trace, "float16") == totals(trace)["moved-bytes"] // 2
    assert decoder == sum(block or 0 for block in blocks) > 0


def test_no_budget_is_hidden_by_another_s_checks(judged: Judge) -> None:
    every = Budget("p", named("v1", "v2"), "params", max=at_most(10**7))
    hidden = Budget("p[v1]", named("v1"), "params", max=at_most(1), place=Place("ucseg.toml", 9))
    with pytest.raises(UsageError, match=r"two checks would be named 'p\[v1\]'") as caught:
        judged([every, hidden])
    assert caught.value.where == "ucseg.toml:9"


def test_no_check_is_made_twice(judged: Judge) -> None:
    limit = Budget(None, named("v1"), "params", max=at_most(1))
    assert len(judged([limit, limit])) == 1


def test_every_metric_is_judged_by_the_total_that_every_other_screen_shows(
    judged: Judge, trace_of: TraceOf
) -> None:
    figures: Mapping[str, int] = totals(trace_of(as_variant("v2"), Conditions(SMALL[0])))
    checks = judged([Budget(metric, named("v2"), metric, max=at_most(1)) for metric in METRICS])
    assert {check.metric: check.value for check in checks} == figures


def test_every_convention_and_the_peak_depend_on_the_input_and_nothing_else_does() -> None:
    assert {name for name, metric in METRICS.items() if metric.depends_on_size} == {
        *CONVENTIONS,
        *("activations", "moved-bytes", "peak-memory"),
    }
    in_bytes = {name for name, metric in METRICS.items() if metric.in_bytes}
    assert in_bytes == {"bytes", "moved-bytes", "peak-memory"}


def test_the_mistakes_of_several_budgets_are_reported_at_once(judged: Judge) -> None:
    budgets = [
        Budget(name, named("v2"), "params", module=name, max=at_most(1)) for name in ("nix", "nada")
    ]
    with pytest.raises(MistakesError) as caught:
        judged(budgets)
    assert [str(error) for error in caught.value.errors] == [
        f"no module of v2 is named '{n}'" for n in ("nix", "nada")
    ]


def test_a_limit_on_the_command_line_hides_no_budget(judged: Judge) -> None:
    budget = Budget(
        "v2:params<=650000", named("v2"), "fvcore", max=at_most(1), place=Place("ucseg.toml", 1)
    )
    with pytest.raises(UsageError, match="two checks would be named"):
        judged([budget, parse_limit("params=650k", named("v2"))])


def test_a_change_that_leaves_less_than_nothing_is_an_error(judged: Judge) -> None:
    with pytest.raises(UsageError, match="leaves less than nothing"):
        judged(
            [
                Budget(
                    "c",
                    named("v2"),
                    "params",
                    max=parse_change("-50M", in_bytes=False, where=Place("ucseg.toml")),
                )
            ]
        )


def test_exceeding_a_limit_of_zero_weighs_more_than_exceeding_any_other() -> None:
    def weight(value: int, most: int) -> Fraction:
        return Check("id", "v2", None, None, "params", None, value, max=most, warn=None).weight

    assert weight(1, 0) > weight(10**9, 1) > weight(2, 1) > weight(3, 2)


@pytest.mark.parametrize("text", ["2", "50k", "0.5k"])
def test_a_change_says_in_which_direction(text: str) -> None:
    with pytest.raises(UsageError, match="is not a change") as caught:
        parse_change(text, in_bytes=False, where=Place("ucseg.toml"))
    assert caught.value.help == f"write +{text}, or +{text}% of the baseline"
