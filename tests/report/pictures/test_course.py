"""Memory over a pass: bands add up to what is alive, the peak is the table's, text fits."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from support.drawn_text import faults
from support.fixture_types import TraceOf
from ucseg_cli.analysis.memory.over_the_pass import memory_course, training_course
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.analysis.memory.training_memory import SAVED, training_peak
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training
from ucseg_cli.references.variants import as_variant
from ucseg_cli.report.parts.drawn.memory_over_the_pass import (
    MOST_BANDS,
    UPDATE_SHARE,
    memory_over_the_pass,
    training_over_the_step,
)
from ucseg_cli.report.pictures.course import Course
from ucseg_cli.report.pictures.svg.course_svg import BOTTOM, LEFT, RIGHT, TOP, draw_course

STEP = Conditions(Size(224, 224), 8, training=Training("adamw"))
USES = {use: use for use in ("weights", "gradients", "optimizer", SAVED, "temporary", "input")}


def passed(trace_of: TraceOf, name: str = "v2") -> Trace:
    return trace_of(as_variant(name), Conditions())


def picture_of(trace: Trace) -> Course:
    (course,) = memory_over_the_pass(trace)
    return course


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
@pytest.mark.parametrize("dtype", [None, "float16"])
def test_the_highest_moment_is_the_peak(trace_of: TraceOf, name: str, dtype: str | None) -> None:
    trace = passed(trace_of, name)
    course, peak = memory_course(trace, dtype), peak_memory(trace, dtype)
    sums = [sum(values) for values in zip(*course.bands.values(), strict=True)]
    assert course.peak == max(sums) == peak.bytes
    assert (course.module, course.op) == (peak.module, peak.op)
    assert course.bands["(input)"][course.fullest] == peak.input_bytes


def test_the_bands_of_a_step_are_its_parts(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), STEP)
    course, peak = training_course(trace), training_peak(trace)
    assert {use: values[course.fullest] for use, values in course.bands.items()} == peak.parts
    assert [run.name for run in course.runs] == ["forward", "loss", "backward", "update"]
    assert course.runs[-1].end == len(trace.ops)


def test_a_drawn_update_is_short_and_keeps_the_peak_of_the_step(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), STEP)
    (course,) = training_over_the_step(trace, USES)
    assert max(course.sums) == course.sums[course.highest.moment] == training_peak(trace).bytes
    *_, update = course.stretches
    assert update.end - update.begin <= update.begin / UPDATE_SHARE + UPDATE_SHARE
    assert "Of the update only the fullest" in course.note


def test_stretches_follow_each_other_over_all_operators(trace_of: TraceOf) -> None:
    course = picture_of(passed(trace_of))
    ends = [0, *(stretch.end for stretch in course.stretches)]
    assert [stretch.begin for stretch in course.stretches] == ends[:-1]
    assert ends[-1] == len(course.sums)


def test_too_many_parts_are_folded_into_one_band_and_still_add_up(trace_of: TraceOf) -> None:
    trace = passed(trace_of)
    course = picture_of(trace)
    assert len(course.bands) <= MOST_BANDS + 1
    assert max(course.sums) == peak_memory(trace).bytes


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_no_text_overlaps_another_or_is_cut(trace_of: TraceOf, name: str) -> None:
    drawn = draw_course(picture_of(passed(trace_of, name)), "memory").element
    assert faults(drawn) == []
    (step,) = training_over_the_step(trace_of(as_variant("v2"), STEP), USES)
    assert faults(draw_course(step, "memory").element) == []


def test_the_highest_corner_of_the_bands_is_at_the_peak(trace_of: TraceOf) -> None:
    course = picture_of(passed(trace_of))
    drawn = draw_course(course, "memory").element
    corners = [
        (Fraction(x), Fraction(y))
        for path in re.findall(r'class="band"[^>]* d="M([^"]+)Z"', drawn)
        for x, y in (corner.split() for corner in path.split("L"))
    ]
    assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in corners)
    highest = min(y for _, y in corners)
    places = [x for x, y in corners if y == highest]
    line = re.search(r'class="highest" d="M([\d.]+) ', drawn)
    assert line is not None
    assert min(places) <= Fraction(line[1]) <= max(places)


def test_a_model_that_ran_nothing_has_no_picture(trace_of: TraceOf) -> None:
    trace = passed(trace_of)
    assert memory_over_the_pass(Trace(trace.modules, trace.tensors, trace.storages, ())) == ()
