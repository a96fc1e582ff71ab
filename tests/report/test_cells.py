from __future__ import annotations

from fractions import Fraction

import pytest

from ucseg_cli.report.document import Cell, Kind, Span, Unit
from ucseg_cli.report.formats.cells import (
    SPAN_CELLS,
    Tone,
    draw_span,
    format_cell,
    one_line,
    plain_ascii,
    tone_of,
)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_missing_value_is_a_dash_and_never_a_zero(kind: Kind) -> None:
    assert format_cell(None, kind) == "–"


@pytest.mark.parametrize(
    ("cell", "kind", "unit", "text"),
    [
        (1_234_567, Kind.QUANTITY, Unit.COUNT, "1.23M"),
        (1_234_567, Kind.QUANTITY, Unit.BYTES, "1.23 MB"),
        (1_234, Kind.DELTA, Unit.COUNT, "+1,234"),
        (12_345, Kind.DELTA, Unit.COUNT, "+12.3k"),
        (-512, Kind.DELTA, Unit.BYTES, "-512 B"),
        (5_000_000, Kind.DURATION, Unit.COUNT, "5.00 ms"),
        (5_000_000, Kind.QUANTITY, Unit.TIME, "5.00 ms"),
        (-5_000_000, Kind.DELTA, Unit.TIME, "-5.00 ms"),
        (Fraction(1, 10), Kind.CHANGE, Unit.COUNT, "+10.0%"),
        (Fraction(1, 10), Kind.SHARE, Unit.COUNT, "10.0%"),
        (1, Kind.SHARE, Unit.COUNT, "100.0%"),
        (2, Kind.RATIO, Unit.COUNT, "200.0%"),
        (Fraction(5, 2), Kind.RATIO, Unit.COUNT, "250.0%"),
        ("new", Kind.CHANGE, Unit.COUNT, "new"),
        ((1, 3, 8), Kind.SHAPE, Unit.COUNT, "1×3×8"),
        ("fail", Kind.STATUS, Unit.COUNT, "✗ fail"),
        ("skipped", Kind.STATUS, Unit.COUNT, "skipped"),
        (True, Kind.TEXT, Unit.COUNT, "yes"),
        (16, Kind.TEXT, Unit.COUNT, "16"),
        ("", Kind.PATH, Unit.COUNT, ""),
    ],
)  # fmt: skip
def test_a_cell_is_said_the_way_its_column_and_unit_ask(
    cell: Cell, kind: Kind, unit: Unit, text: str
) -> None:
    assert format_cell(cell, kind, unit) == text


def test_exact_integers_have_no_prefix() -> None:
    assert format_cell(1_234_567, Kind.DELTA, exact=True) == "+1,234,567"


@pytest.mark.parametrize(
    ("cell", "kind", "tone"),
    [
        (-1, Kind.DELTA, Tone.GOOD),
        (1, Kind.DELTA, Tone.BAD),
        (0, Kind.DELTA, Tone.NEUTRAL),
        (1, Kind.QUANTITY, Tone.NEUTRAL),
        (Fraction(-1, 2), Kind.CHANGE, Tone.GOOD),
        ("new", Kind.CHANGE, Tone.BAD),
        ("warn", Kind.STATUS, Tone.CAUTION),
        ("skipped", Kind.STATUS, Tone.NEUTRAL),
    ],
)
def test_less_is_better_and_a_status_speaks_for_itself(cell: Cell, kind: Kind, tone: Tone) -> None:
    assert tone_of(cell, kind) is tone


def test_control_codes_in_a_name_are_shown_not_obeyed() -> None:
    assert one_line("a\x1b[31m\nb\u202e") == "a\\x1b[31m b\\u202e"


def test_signs_become_ascii_words_and_the_rest_is_escaped() -> None:
    assert plain_ascii("1×3 Δ → – … · ✓ ✗ █ ░ 层") == "1x3 delta -> - ... - ok x # - \\u5c42"


@pytest.mark.parametrize(
    ("begin", "end", "drawn"),
    [
        (0, 28, "█" * 28),
        (14, 20, " " * 14 + "█" * 6),
        (20, 14, " " * 14 + "░" * 6),  # a step down
        (Fraction(54, 10), Fraction(76, 10), " " * 5 + "█" * 3),  # from 5 to 8
        (Fraction(56, 10), Fraction(74, 10), " " * 6 + "█"),  # from 6 to 7
        (Fraction(28, 5), Fraction(27, 5), " " * 5 + "░"),  # the smallest is one cell
        (28, 28, " " * 27 + "█"),  # within the scale
    ],
)
def test_a_block_is_drawn_to_the_nearest_cell_and_a_step_down_is_shaded(
    begin: Fraction, end: Fraction, drawn: str
) -> None:
    assert draw_span(Span(Fraction(begin) / SPAN_CELLS, Fraction(end) / SPAN_CELLS)) == drawn


def test_blocks_of_a_waterfall_meet_wherever_the_step_between_them_lies() -> None:
    for numerator in range(1, 1000):
        place = Fraction(numerator, 1000)
        before, after = draw_span(Span(Fraction(0), place)), draw_span(Span(place, Fraction(1)))
        if Fraction(1, 2) < place * SPAN_CELLS < SPAN_CELLS - Fraction(1, 2):
            assert len(before) == after.index("█")
