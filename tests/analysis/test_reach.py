"""Every number on the reach of dilated convs, against counting by hand."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.geometry.dilated_reach import Reach, reaches
from ucseg_cli.analysis.geometry.window import Window
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import Variant, as_variant

TraceOf = Callable[[Variant, Conditions], Trace]

WINDOWS = st.builds(
    Window, st.integers(1, 7), st.integers(1, 9), st.integers(1, 4), st.integers(0, 30)
)
LENGTHS = st.integers(1, 60)


# One axis, against looking at every output and kernel position


def met(window: Window, length: int) -> list[list[int]]:
    """The input position below each kernel position, by output, padding included."""
    padded = range(-window.padding, length + window.padding)
    starts = padded[:: window.stride]
    places = range(0, window.extent, window.dilation)
    return [
        [start + place for place in places]
        for start in starts
        if start + window.extent - 1 in padded
    ]


@given(WINDOWS, LENGTHS)
def test_an_output_has_as_many_positions_as_the_kernel_fits_in(window: Window, length: int) -> None:
    assert window.positions(length) == len(met(window, length))


@given(WINDOWS, LENGTHS)
def test_a_kernel_position_reads_data_where_it_is_on_the_map(window: Window, length: int) -> None:
    counted = [
        sum(0 <= row[place] < length for row in met(window, length))
        for place in range(window.kernel)
    ]
    assert list(window.reads(length)) == counted


@given(WINDOWS, st.integers(1, 40))
def test_the_least_length_is_the_first_with_that_many_positions(
    window: Window, positions: int
) -> None:
    lengths = range(1, positions * window.stride + window.extent + 1)
    assert window.least_length(positions) == next(
        n for n in lengths if window.positions(n) >= positions
    )


@given(WINDOWS)
def test_the_least_length_to_read_is_the_first_at_which_no_kernel_position_is_idle(
    window: Window,
) -> None:
    lengths = range(1, window.extent + window.stride + 2 * window.padding + 1)
    assert window.least_length_to_read() == next(n for n in lengths if all(window.reads(n)))


@pytest.mark.parametrize("name", ["v1", "v2", "v3", "v2+output_stride=16"])
def test_one_pixel_below_the_least_size_a_kernel_position_is_idle(
    trace_of: TraceOf, name: str
) -> None:
    variant = as_variant(name)
    last = reaches(trace_of(variant, Conditions()))[-1]
    assert last.least_size is not None
    (least, _) = last.least_size
    assert reaches(trace_of(variant, Conditions(Size(least, least))))[-1].dead_positions == 0
    assert reaches(trace_of(variant, Conditions(Size(least - 1, least))))[-1].dead_positions == 6
    assert reaches(trace_of(variant, Conditions(Size(least, least - 1))))[-1].dead_positions == 6


# The figures of MODEL.md


def v2_at(trace_of: TraceOf, side: int) -> dict[tuple[int, int], Reach]:
    return {
        reach.rate: reach
        for reach in reaches(trace_of(as_variant("v2"), Conditions(Size(side, side))))
    }


def test_at_512_rate_18_of_v2_is_exactly_a_pointwise_conv(trace_of: TraceOf) -> None:
    convs = v2_at(trace_of, 512)
    assert [conv.map for conv in convs.values()] == [(16, 16)] * 3
    assert [conv.share for conv in convs.values()] == [
        Fraction(9, 16),
        Fraction(1, 4),
        Fraction(1, 9),
    ]
    assert [conv.is_pointwise for conv in convs.values()] == [False, False, True]
    # 96 channels: 8 of 9 weights each, at 16 · 16 positions
    assert (convs[18, 18].dead_params, convs[18, 18].dead_macs) == (96 * 8, 96 * 8 * 256)
    assert [conv.least_size for conv in convs.values()] == [(193, 193), (385, 385), (577, 577)]


def test_at_224_so_is_rate_12(trace_of: TraceOf) -> None:
    convs = v2_at(trace_of, 224)
    assert [conv.map for conv in convs.values()] == [(7, 7)] * 3
    assert [conv.is_pointwise for conv in convs.values()] == [False, True, True]
