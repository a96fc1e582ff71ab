"""Benefits are the figures that ``probe`` and ``reach`` report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import SearchStrategy

from support.fixture_types import ModelTraceOf, TraceOf
from support.small_trace import TRACE
from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.space.benefits import (
    BENEFITS,
    figure_of,
    find_any_metric,
    refuse_unknown_tap,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.variants import CATALOGUE, Variant
from ucseg_cli.report.answers.look.probe import probe_report
from ucseg_cli.report.parts.probed import Probed


def probed(trace: Trace, variant: Variant | None, conditions: Conditions) -> Any:
    subject = Subject("net", trace, variant)
    return probe_report([Probed(subject, conditions)]).payload["models"][0]


def sides(entries: list[Any]) -> Iterator[int]:
    for entry in entries:
        if entry["receptive_field_at_size"] is not None:
            yield min(entry["receptive_field_at_size"])


def check_family(trace: Trace, variant: Variant, conditions: Conditions) -> None:
    known = probed(trace, variant, conditions)
    assert figure_of(trace, "receptive-field") == max(sides(known["branches"]), default=None)
    strides = {tap["name"]: tap["stride"] for tap in known["taps"]}
    assert figure_of(trace, "output-stride") == strides["high"]
    for tap, stride in strides.items():
        assert figure_of(trace, f"output-stride:{tap}") == stride
    live = sum(conv["kernel_positions"] - conv["dead_positions"] for conv in known["reach"])
    assert figure_of(trace, "live-positions") == live


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
@pytest.mark.parametrize("side", [224, 512])
def test_the_family_has_what_probe_reports(trace_of: TraceOf, name: str, side: int) -> None:
    variant, conditions = CATALOGUE[name], Conditions(Size(side, side))
    check_family(trace_of(variant, conditions), variant, conditions)


@pytest.mark.usefixtures("trace_of")
def test_any_variant_has(
    trace_of: TraceOf,
    stored_variants: SearchStrategy[Variant],
    stored_conditions: SearchStrategy[Conditions],
) -> None:
    @given(stored_variants, stored_conditions)
    def check(variant: Variant, conditions: Conditions) -> None:
        check_family(trace_of(variant, conditions), variant, conditions)

    check()


def test_v2_has_the_figures_of_its_page(trace_of: TraceOf) -> None:
    trace = trace_of(CATALOGUE["v2"], Conditions(Size(512, 512)))
    found = [figure_of(trace, name) for name in BENEFITS]
    assert found == [1279, 32, 19]


def test_a_network_without_branches_has_the_field_of_its_output(
    model_trace_of: ModelTraceOf,
) -> None:
    trace = model_trace_of(FromLibrary("torchvision", "resnet18"), Conditions())
    assert figure_of(trace, "receptive-field") is None  # every position sees all
    assert figure_of(trace, "output-stride") is None
    assert figure_of(trace, "output-stride:layer4") == 32
    assert figure_of(trace, "output-stride:layer1.0") == 4
    assert figure_of(trace, "output-stride:layer9") is None
    assert figure_of(trace, "live-positions") == 0


def test_costs_are_the_totals_and_a_failed_pass_has_those_that_need_none() -> None:
    for metric in METRICS:
        assert figure_of(TRACE, metric) == totals(TRACE)[metric]
    failed = replace(TRACE, failure="it fails")
    assert figure_of(failed, "params") == totals(TRACE)["params"]
    assert [figure_of(failed, name) for name in ("fvcore", *BENEFITS)] == [None] * 4


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("parameters", "params"),
        ("Receptive_Field", "receptive-field"),
        ("live-positions", "live-positions"),
        ("output-stride", "output-stride"),
        ("output_stride: mid", "output-stride:mid"),
    ],
)
def test_a_metric_has_one_name(text: str, name: str) -> None:
    assert find_any_metric(text, "here")[1] == name


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("parms", "no metric named 'parms'"),
        ("receptive-feild", "no metric named 'receptive-feild'"),
        ("flops", "could be any of several"),
        ("params:mid", "'params:mid' names no tap of params"),
        ("output-stride:", "'output-stride:' names no tap"),
    ],
)
def test_any_other_name_is_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        find_any_metric(text, "here")


def test_a_tap_that_is_not_there_is_refused_with_the_nearest(trace_of: TraceOf) -> None:
    trace = trace_of(CATALOGUE["v2"], Conditions())
    for known in ("output-stride:mid", "output-stride:features.2", "output-stride", "params"):
        refuse_unknown_tap(trace, known, "here")
    with pytest.raises(UnknownNameError) as caught:
        refuse_unknown_tap(trace, "output-stride:hihg", "here")
    assert caught.value.help == "did you mean 'high'?"


def test_a_container_of_the_family_is_not_a_tap(trace_of: TraceOf) -> None:
    for container in ("features", "aspp.branches"):
        with pytest.raises(UnknownNameError, match=f"no tap named '{container}'"):
            refuse_unknown_tap(
                trace_of(CATALOGUE["v2"], Conditions()), f"output-stride:{container}", "x"
            )
