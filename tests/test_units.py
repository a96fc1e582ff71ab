from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.errors import UsageError
from ucseg_cli.units import (
    exact_quantity,
    exact_ratio,
    format_bytes,
    format_count,
    format_decimal,
    format_duration,
    format_percent,
    format_quotient,
    format_shape,
    parse_count,
    parse_duration,
    parse_quantity,
    plural,
    spoken_count,
    time_unit,
    write_duration,
    write_quantity,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1, "1"),
        (999, "999"),
        (1_000, "1,000"),
        (9_999, "9,999"),  # no longer than 10.0k
        (10_000, "10.0k"),
        (10_049, "10.0k"),
        (10_051, "10.1k"),
        (999_949, "999.9k"),
        (999_950, "1.00M"),  # 999.95k would round to 1000.0k
        (1_000_000, "1.00M"),
        (1_234_567, "1.23M"),
        (9_994_999, "9.99M"),
        (9_995_001, "10.0M"),  # 9.995M would round to 10.00M
        (12_345_678, "12.3M"),
        (123_449_999, "123.4M"),
        (645_245, "645.2k"),
        (737_104_000, "737.1M"),
        (999_950_000_000, "1.00T"),
        (10**18, "1.00E"),
        (1_234_560 * 10**18, "1,234,560.0E"),  # there is no further prefix
        (-1, "-1"),
        (-9_999, "-9,999"),
        (-999_950, "-1.00M"),
    ],
)
def test_a_count_has_at_least_three_digits_and_the_prefix_that_its_rounded_value_wants(
    count: int, text: str
) -> None:
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (391_905_280, "392M"),
        (-75_013_120, "-75M"),
        (6_441_024, "6.44M"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (999_600, "1M"),
    ],
)
def test_in_a_sentence_a_count_is_rounded_as_a_speaker_would(count: int, text: str) -> None:
    assert spoken_count(count) == text
    assert spoken_count(abs(count), signed=True) == f"+{text.removeprefix('-')}"


@pytest.mark.parametrize(
    ("count", "text"),
    [(1_234_567, "1,234,567"), (-1_234_567, "-1,234,567"), (999, "999"), (0, "0")],
)
def test_an_exact_count_has_every_digit(count: int, text: str) -> None:
    assert format_count(count, exact=True) == text


@pytest.mark.parametrize(
    ("count", "text"), [(5, "+5"), (0, "0"), (-5, "-5"), (1_500, "+1,500"), (15_000, "+15.0k")]
)
def test_a_signed_count_shows_its_plus_but_zero_has_none(count: int, text: str) -> None:
    assert format_count(count, signed=True) == text


def test_what_is_missing_is_a_dash_in_every_form() -> None:
    assert [form(None) for form in (format_count, format_bytes, format_percent, format_shape)] == [
        "–"
    ] * 4


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1,000 B"),
        (10_000, "10.0 kB"),
        (1_900_308, "1.90 MB"),
        (999_950, "1.00 MB"),
        (-512, "-512 B"),
    ],
)
def test_bytes_are_in_decimal_units(count: int, text: str) -> None:
    assert format_bytes(count) == text


def test_exact_bytes_have_every_digit_and_no_prefix() -> None:
    assert format_bytes(1_900_308, exact=True) == "1,900,308 B"
    assert format_bytes(1_900_308, exact=True, signed=True) == "+1,900,308 B"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Fraction(7, 20), "35.0%"),
        (Fraction(0), "0.0%"),
        (Fraction(1, 1000), "0.1%"),
        (Fraction(4, 10_000), "<0.1%"),
        (Fraction(-4, 10_000), "-<0.1%"),
        (Fraction(9_994, 10_000), "99.9%"),
        (Fraction(9_996, 10_000), "<100.0%"),
        (Fraction(-9_996, 10_000), "-<100.0%"),
        (Fraction(1), "100.0%"),
        (Fraction(10_004, 10_000), ">100.0%"),
        (Fraction(10_006, 10_000), "100.1%"),
        (Fraction(-1, 3), "-33.3%"),
        (Fraction(123_456, 10), "1,234,560.0%"),
    ],
)
def test_a_ratio_is_a_percentage_and_what_is_not_zero_or_one_never_reads_as_zero_or_one(
    ratio: Fraction, text: str
) -> None:
    assert format_percent(ratio) == text


def test_a_signed_percentage_shows_its_plus() -> None:
    assert (
        format_percent(Fraction(170_168, 475_077), signed=True) == "+35.8%"
    )  # v1 to v2 in MODEL.md's words
    assert format_percent(Fraction(1, 10_000), signed=True) == "+<0.1%"


def test_a_shape_is_written_with_crosses_and_a_scalar_has_a_word() -> None:
    assert format_shape((1, 3, 224, 224)) == "1×3×224×224"
    assert format_shape(()) == "scalar"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 modules"), (1, "1 module"), (2, "2 modules"), (1_234, "1,234 modules")],
)
def test_only_one_thing_is_singular(count: int, text: str) -> None:
    assert plural(count, "module") == text


def test_an_irregular_plural_is_given() -> None:
    assert plural(2, "axis", "axes") == "2 axes"


def test_a_ratio_is_exact_and_missing_where_there_is_nothing_to_divide_by() -> None:
    assert exact_ratio(1, 3) == Fraction(1, 3)
    assert exact_ratio(0, 3) == 0
    assert exact_ratio(1, 0) is None
    assert exact_ratio(None, 3) is None
    assert exact_ratio(1, None) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("650k", 650_000),
        ("650K", 650_000),
        ("1.5M", 1_500_000),
        ("800_000", 800_000),
        ("800,000", 800_000),
        ("2.5MB", 2_500_000),
        ("2.5 MB", 2_500_000),
        ("512KiB", 512 * 1024),
        ("1.5Ki", 1_536),
        ("1Ti", 2**40),
        ("0", 0),
        (" 7 ", 7),
        ("1.2P", 12 * 10**14),
        ("0.001k", 1),
    ],
)
def test_a_quantity_is_read_exactly(text: str, count: int) -> None:
    assert parse_count(text, in_bytes=True) == count


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k",
        "-1",
        "+1",
        "1e6",
        "65x",
        "1.5.0",
        ".5",
        "1.",
        "650kk",
        "1mb",
        "1kiB",
        "0x10",
        "٣k k",
        "9" * 5000,
    ],
)
def test_what_is_not_a_quantity_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="is not a quantity") as caught:
        parse_count(text, in_bytes=True, where="--max params")
    assert caught.value.where == "--max params"
    assert caught.value.help == "write a number such as 650k, 1.5M, 800_000 or 2.5MB"


@pytest.mark.parametrize("text", ["0.5", "1.0001k", "0.3Ki"])
def test_a_quantity_that_is_not_whole_once_scaled_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a whole number"):
        parse_count(text, in_bytes=True)


@pytest.mark.parametrize("text", ["650kB", "512KiB", "7 B"])
def test_bytes_of_what_is_no_bytes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="counts bytes"):
        parse_count(text, in_bytes=False)


@given(st.integers(0, 10**30))
def test_the_exact_form_of_a_count_is_read_back_as_that_count(count: int) -> None:
    assert parse_count(format_count(count, exact=True), in_bytes=True) == count
    assert parse_count(format_bytes(count, exact=True), in_bytes=True) == count


@given(st.integers(0, 10**24))
def test_the_human_form_of_a_count_is_read_back_within_half_of_its_third_digit(count: int) -> None:
    assert abs(parse_count(format_count(count), in_bytes=True) - count) * 200 <= count
    assert abs(parse_count(format_bytes(count), in_bytes=True) - count) * 200 <= count


@given(st.integers(0, 10**24))
def test_a_human_form_is_never_longer_than_it_must_be(count: int) -> None:
    assert sum(map(str.isdigit, format_count(count))) <= 4 or count >= 999_950 * 10**15


@given(st.integers(-(10**24), 10**24))
def test_a_count_and_its_opposite_differ_by_the_sign_alone(count: int) -> None:
    assert format_count(abs(count)) == format_count(count).removeprefix("-")
    assert format_count(count).startswith("-") == (count < 0)


@given(st.text(max_size=12))
def test_any_text_is_either_a_count_that_is_not_negative_or_a_usage_error(text: str) -> None:
    try:
        count = parse_count(text, in_bytes=True)
    except UsageError:
        return
    assert count >= 0


NOTATIONS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["0", "7", "645", "1,234", "1234", "1_234", "1\u202f234", "12 345"]),
    st.sampled_from(["", ".0", ".00", ".125"]),
    st.sampled_from(["", " ", "\u00a0", "&nbsp;"]),
    st.sampled_from(["", "k", "K", "M", "G", "Ki", "Mi", "Gi"]),
    st.sampled_from(["", "B"]),
)
"""Any quantity that may stand in a text."""


@pytest.mark.parametrize(
    ("written", "lowest", "highest"),
    [
        ("645,245", 645_245, 645_245),
        ("645245", 645_245, 645_245),
        ("645\u202f245", 645_245, 645_245),
        ("645.245k", 645_245, 645_245),
        ("645k", 644_500, 645_500),
        ("645.0k", 644_950, 645_050),
        ("0.65M", 645_000, 655_000),
        ("2.46 MiB", 2_574_255, 2_584_739),
        ("18.2 MB", 18_150_000, 18_250_000),
        ("392M", 391_500_000, 392_500_000),
        ("0.74 G", 735_000_000, 745_000_000),
        ("0M", 0, 0),
        ("0", 0, 0),
    ],
)
def test_a_quantity_fits_what_rounds_to_it_and_nothing_beside(
    written: str, lowest: int, highest: int
) -> None:
    fits = parse_quantity(written, in_bytes=True).fits
    assert fits(lowest)
    assert fits(highest)
    assert not fits(lowest - 1)
    assert not fits(highest + 1)


@pytest.mark.parametrize(
    ("before", "count", "after"),
    [
        ("640,000", 645_245, "645,245"),
        ("640000", 645_245, "645245"),
        ("640_000", 645_245, "645_245"),
        ("640\u202f000", 1_645_245, "1\u202f645\u202f245"),
        ("9", 645_245, "645,245"),
        ("640k", 645_245, "645k"),
        ("640K", 1_645_245, "1,645K"),
        ("0.64M", 645_245, "0.65M"),
        ("2.46 MiB", 89_303_040, "85.17 MiB"),
        ("18.2&nbsp;MB", 18_250_001, "18.3&nbsp;MB"),
        ("0.74 G", 1_200_000_000, "1.20 G"),
        ("0.74 G", 645_245, "0.65 M"),
        ("640K", 7, "7"),
        ("0.00 MiB", 7, "0.01 KiB"),
        ("0.0 MiB", 7, "7 B"),
        ("1.5 MB", 0, "0.0 MB"),
        ("12 B", 18_232_704, "18,232,704 B"),
    ],
)
def test_another_count_is_written_in_the_same_notation(before: str, count: int, after: str) -> None:
    assert parse_quantity(before, in_bytes=True).write(count) == after


@given(NOTATIONS, st.integers(0, 10**15))
def test_a_count_written_in_any_notation_fits(notation: str, count: int) -> None:
    written = parse_quantity(notation, in_bytes=True).write(count)
    again = parse_quantity(written, in_bytes=True)
    assert again.fits(count)
    assert again.write(count) == written


@given(st.integers(0, 10**18))
def test_a_count_fits_the_form_in_which_we_show_it(count: int) -> None:
    for text in (format_count(count), format_bytes(count), format_count(count, exact=True)):
        assert parse_quantity(text, in_bytes=True).fits(count)


@given(st.integers(0, 10**15))
def test_the_exact_notation_rounds_nothing(count: int) -> None:
    assert exact_quantity(in_bytes=False).write(count) == format_count(count, exact=True)
    assert exact_quantity(in_bytes=True).write(count) == format_bytes(count, exact=True)


@pytest.mark.parametrize(
    ("count", "text", "in_bytes"),
    [
        (9_999, "9999", "9999"),
        (10_000, "10k", "10 kB"),
        (660_000, "660k", "660 kB"),
        (1_040_000, "1.04M", "1.04 MB"),
        (1_000_001, "1.000001M", "1.000001 MB"),
        (10**21, "1000E", "1000 EB"),
    ],
)
def test_a_quantity_is_written_exactly_and_short(count: int, text: str, in_bytes: str) -> None:
    assert write_quantity(count, in_bytes=False) == text
    assert write_quantity(count, in_bytes=True) == in_bytes


@given(st.integers(0, 2**70), st.booleans())
def test_a_written_quantity_is_read_back(count: int, in_bytes: bool) -> None:  # noqa: FBT001 - drawn
    assert parse_count(write_quantity(count, in_bytes=in_bytes), in_bytes=in_bytes) == count


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (5, "5"),
        (12_345, "12,345"),
        (Fraction("0.73125"), "0.7312"),
        (Fraction("71.3249"), "71.32"),
        (Fraction("999.96"), "1,000"),
        (Fraction("0.000123456"), "0.0001235"),
        (Fraction("-0.5"), "-0.5"),
    ],
)
def test_a_measured_figure_has_four_digits_that_count(number: int | Fraction, text: str) -> None:
    assert format_decimal(number) == text
    assert format_decimal(number, signed=True) == (f"+{text}" if number > 0 else text)


# Times


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (9_994, "9.99 µs"),
        (9_996, "10.0 µs"),
        (999_949, "999.9 µs"),
        (999_950, "1.00 ms"),
        (79_412_345, "79.4 ms"),
        (999_950_000, "1.00 s"),
        (106_617_280_548, "106.6 s"),
        (3_600_000_000_000, "3,600.0 s"),
        (-5_000_000, "-5.00 ms"),
        (None, "–"),
    ],
)
def test_a_time_has_three_digits_and_the_unit_that_fits(nanoseconds: int | None, text: str) -> None:
    assert format_duration(nanoseconds) == text


def test_a_time_in_full_is_in_nanoseconds_and_a_difference_has_its_sign() -> None:
    assert format_duration(79_412_345, exact=True) == "79,412,345 ns"
    assert format_duration(5_000_000, signed=True) == "+5.00 ms"
    assert format_duration(0, signed=True) == "0 ns"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("33ms", 33_000_000),
        ("1.5 s", 1_500_000_000),
        ("800us", 800_000),
        ("800 µs", 800_000),
        ("800 μs", 800_000),
        ("12 ns", 12),
        ("0.5ns", 0),
    ],
)
def test_a_time_is_read_with_its_unit(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["33", "ms", "-3ms", "3 MS", "3m", "1e3ms", "33 msec", "1,5ms"])
def test_a_time_without_a_unit_that_is_known_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_duration(text)


@given(st.integers(0, 10**15))
def test_a_time_is_read_as_it_was_written(nanoseconds: int) -> None:
    assert parse_duration(write_duration(nanoseconds)) == nanoseconds


def test_only_units_of_time_are_units_of_time() -> None:
    assert [time_unit(text) for text in ("ms", "us", "mJ", "")] == [10**6, 10**3, None, None]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(188, 100), "1.88"),
        (Fraction(13_094, 10_000), "1.31"),
        (Fraction(12), "12.00"),
        (Fraction(123_456, 100), "1,234.56"),
        (Fraction(0), "0.00"),
        (Fraction(1, 100), "0.01"),
        (Fraction(1, 101), "<0.01"),
        (Fraction(1, 10**9), "<0.01"),
    ],
)
def test_a_quotient_has_two_decimals_in_every_row(number: Fraction, text: str) -> None:
    assert format_quotient(number) == text
