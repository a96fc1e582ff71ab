"""The pictures of a comparison: what changed by module, and why, in steps that add up."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from support.drawn_text import faults
from support.fixture_types import TraceOf
from ucseg_cli.analysis.comparing.attribution import Attribution, Effect
from ucseg_cli.analysis.comparing.comparison import Comparison, compare
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.variants import as_variant, changes
from ucseg_cli.report.parts.drawn.attribution_waterfall import attribution_waterfall
from ucseg_cli.report.parts.drawn.difference_icicle import GONE, NEW, difference_icicles
from ucseg_cli.report.parts.drawn.module_icicle import Measured
from ucseg_cli.report.pictures.icicle import Icicle
from ucseg_cli.report.pictures.svg.icicle_svg import draw_icicle
from ucseg_cli.report.pictures.svg.waterfall_svg import draw_waterfall
from ucseg_cli.report.pictures.waterfall import Waterfall

SVG = "{http://www.w3.org/2000/svg}"
PARAMS = Measured("params", "Parameters", "parameters")
FVCORE = Measured("fvcore", "FLOPs (fvcore)", "fvcore FLOPs")
PAIRS = [("v1", "v2"), ("v2", "v1"), ("v2", "v3")]


def subject(trace_of: TraceOf, name: str) -> Subject:
    variant = as_variant(name)
    return Subject(name, trace_of(variant, Conditions()), variant)


def compared(trace_of: TraceOf, one: str, other: str) -> Comparison:
    return compare(subject(trace_of, one), subject(trace_of, other), depth=2)


def icicle_of(comparison: Comparison, metric: Measured) -> Icicle:
    (icicle,) = difference_icicles(comparison, metric)
    return icicle


@pytest.mark.parametrize("pair", PAIRS, ids=" to ".join)
@pytest.mark.parametrize("metric", [PARAMS, FVCORE], ids=["params", "fvcore"])
def test_every_level_adds_up_and_the_leaves_to_both_totals(
    trace_of: TraceOf, pair: tuple[str, str], metric: Measured
) -> None:
    comparison = compared(trace_of, *pair)
    icicle = icicle_of(comparison, metric)
    for cell in icicle.root.walk():
        assert not cell.cells or cell.value == sum(one.value for one in cell.cells), cell.path
    deep = compare(comparison.baseline, comparison.model, depth=99).modules
    figures = [module.figures[metric.name] for module in deep]
    largest = sum(max(figure.before or 0, figure.after or 0) for figure in figures)
    total = comparison.totals[metric.name]
    assert icicle.root.value == largest
    assert sum(figure.delta for figure in figures) == total.delta
    assert metric.signed(total.delta, exact=True) in icicle.root.words


def test_a_module_that_came_or_went_says_so_in_words_and_not_by_colour_alone(
    trace_of: TraceOf,
) -> None:
    icicle = icicle_of(compared(trace_of, "v1", "v2"), PARAMS)
    kinds = {cell.kind for cell in icicle.root.leaves()}
    assert {NEW, GONE} <= kinds
    drawn = draw_icicle(icicle, "changes").element
    assert re.search(r">new features\.10<", drawn)
    came = next(cell for cell in icicle.root.walk() if cell.path == "features.10")
    assert came.figures == ("+294.1k",)


@pytest.mark.parametrize("pair", PAIRS, ids=" to ".join)
def test_no_text_overlaps_another_or_is_cut(trace_of: TraceOf, pair: tuple[str, str]) -> None:
    comparison = compared(trace_of, *pair)
    for metric in (PARAMS, FVCORE):
        assert faults(draw_icicle(icicle_of(comparison, metric), "changes").element) == []


# Waterfalls

BEFORE, AFTER = as_variant("v1"), as_variant("v2")


def effect(axis: str, rounded: int) -> Effect:
    return Effect(axis, rounded, rounded, Fraction(rounded), rounded)


EFFECTS = (effect("rates", 35_456), effect("conv", -180_416), effect("backbone", 294_096))
WHY = Attribution("params", 475_100, 475_100 + 149_136, EFFECTS, (), over_all_orders=True)


def waterfall_of(attribution: Attribution = WHY, model: str = "v2") -> Waterfall:
    return attribution_waterfall(attribution, changes(BEFORE.values, AFTER.values), "v1", model)


def test_the_largest_step_is_first_and_each_begins_where_the_last_one_ended() -> None:
    waterfall = waterfall_of()
    assert [step.name.split()[0] for step in waterfall.steps] == ["backbone", "conv", "rates"]
    assert waterfall.steps[0].start == waterfall.first.value == WHY.before
    assert all(one.end == other.start for one, other in pairwise(waterfall.steps))
    assert waterfall.steps[-1].end == waterfall.last.value == WHY.after


def test_shares_that_depend_on_the_order_keep_it() -> None:
    waterfall = waterfall_of(WHY._replace(over_all_orders=False))
    assert [step.name.split()[0] for step in waterfall.steps] == ["rates", "conv", "backbone"]
    assert "one by one, in this order" in waterfall.note


def test_a_change_without_an_effect_has_no_step() -> None:
    with_nothing = WHY._replace(effects=(*EFFECTS, effect("decoder_blocks", 0)))
    assert len(waterfall_of(with_nothing).steps) == len(EFFECTS)


def test_bars_are_as_long_as_their_steps() -> None:
    drawn = ET.fromstring(draw_waterfall(waterfall_of(), "why").element)
    bars = [rect for rect in drawn.iter(f"{SVG}rect") if rect.get("class") in {"less", "more"}]
    widths = [Fraction(bar.attrib["width"]) for bar in bars]
    sizes = [abs(step.end - step.start) for step in waterfall_of().steps]
    assert [bar.get("class") for bar in bars] == ["more", "less", "more"]
    for width, size in zip(widths, sizes, strict=True):
        assert abs(width / widths[0] - Fraction(size, sizes[0])) < Fraction(1, 500)


def test_words_of_a_waterfall_fit_even_if_a_name_is_long_or_hostile() -> None:
    long = "v2+backbone=11+aspp_channels=48+conv=regular"
    for model in ("v2", long, long * 5, "<b>\u202e\x1b[31m"):
        assert faults(draw_waterfall(waterfall_of(model=model), "why").element) == []
