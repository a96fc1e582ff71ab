from __future__ import annotations

from fractions import Fraction

import pytest

from ucseg_cli.report.document import Cell, Kind, Unit
from ucseg_cli.report.formats.cells import Tone, format_cell, one_line, plain_ascii, tone_of


@pytest.mark.parametrize("kind", list(Kind))
def test_a_missing_value_is_a_dash_and_never_a_zero(kind: Kind) -> None:
    assert format_cell(None, kind) == "–"


@pytest.mark.parametrize(
    ("cell", "kind", "unit", "text"),
    [
        (1_234_567, Kind.QUANTITY, Unit.COUNT, "1.2M"),
        (1_234_567, Kind.QUANTITY, Unit.BYTES, "1.2 MB"),
        (1_234, Kind.DELTA, Unit.COUNT, "+1.2k"),
        (-512, Kind.DELTA, Unit.BYTES, "-512 B"),
        (Fraction(1, 10), Kind.CHANGE, Unit.COUNT, "+10.0 %"),
        (Fraction(1, 10), Kind.SHARE, Unit.COUNT, "10.0 %"),
        (1, Kind.SHARE, Unit.COUNT, "100.0 %"),
        ("new", Kind.CHANGE, Unit.COUNT, "new"),
        ((1, 3, 8), Kind.SHAPE, Unit.COUNT, "1×3×8"),
        ("fail", Kind.STATUS, Unit.COUNT, "✗ fail"),
        ("skipped", Kind.STATUS, Unit.COUNT, "skipped"),
        (True, Kind.TEXT, Unit.COUNT, "yes"),
        (16, Kind.TEXT, Unit.COUNT, "16"),
        ("", Kind.PATH, Unit.COUNT, ""),
    ],
)  # fmt: skip
def test_a_cell_is_said_the_way_its_column_and_unit_ask(cell: Cell, kind: Kind, unit: Unit, text: str) -> None:
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
    assert plain_ascii("1×3 Δ → – … · ✓ ✗ █ 层") == "1x3 delta -> - ... - ok x # \\u5c42"
