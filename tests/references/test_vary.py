"""The grammar of varied axes."""

from __future__ import annotations

import pytest

from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.references.variants import CATALOGUE
from ucseg_cli.references.vary import (
    MOST_VALUES,
    OpenAxis,
    family_axes,
    find_axis,
    parse_values,
    split_vary,
)

AXES = family_axes(CATALOGUE["v2"])
TUPLE, FREE = OpenAxis("depths", "(1, 2)", holds_commas=True), OpenAxis("width", "6")
NESTED = OpenAxis("stages", "((1, 2), (3,))", holds_commas=True)


def values(name: str, text: str) -> tuple[object, ...]:
    axis = AXES[name]
    return axis.vary(parse_values(text, axis, "here"), "here").values


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("backbone", "9..11", (9, 10, 11)),
        ("backbone", ":9, 10", (9, 10)),
        ("aspp_channels", "32..96/16", (32, 48, 64, 80, 96)),
        ("aspp_channels", "32..95/16", (32, 48, 64, 80)),
        ("aspp_channels", "8,16..18,16", (8, 16, 17, 18)),
        ("aspp_channels", "8|16..17", (8, 16, 17)),
        ("conv", "regular,separable", ("regular", "separable")),
        ("conv", "*", ("regular", "separable")),
        ("output_stride", "*", (32, 16)),
        ("rates", "6,12|6,12,18", ((6, 12), (6, 12, 18))),
        ("rates", "6,12", ((6, 12),)),
        ("rates", "6..8", ((6,), (7,), (8,))),
        ("dropout", "0..0.5/0.25", (0.0, 0.25, 0.5)),
        ("dropout", "0.1,.1,0.10", (0.1,)),
        ("low_skip", "0..0", (0,)),
    ],
)
def test_values_of_the_family(name: str, text: str, expected: tuple[object, ...]) -> None:
    assert values(name, text) == expected
    assert AXES[name].vary(parse_values(text, AXES[name], "here"), "here").base == getattr(
        CATALOGUE["v2"], name
    )


@pytest.mark.parametrize(
    ("axis", "text", "expected"),
    [
        (FREE, "6..8", ("6", "7", "8")),
        (FREE, "-2..2/2", ("-2", "0", "2")),
        (FREE, "0.5..1/0.25", ("0.50", "0.75", "1.00")),
        (FREE, "6,6.0,0x6,true,True", ("6", "6.0", "true")),
        (FREE, "(1,2),[3,{4,5}],6", ("(1,2)", "[3,{4,5}]", "6")),
        (FREE, "1,2|3", ("1,2", "3")),
        (FREE, "a..b", ("a..b",)),
        (FREE, '''"a,b",'c|d',"e"''', ('"a,b"', "'c|d'", '"e"')),
        (FREE, "it's,b", ("it's", "b")),
        (FREE, "a+c=1,b+2", ("'a+c=1'", "b+2")),
        (TUPLE, "1,2", ("1,2",)),
        (TUPLE, "(1,2), (1,)", ("(1,2)", "(1,)")),
        (TUPLE, "(1,2),1", ("(1,2),1",)),
        (NESTED, "(1,2),(1,)", ("(1,2),(1,)",)),
        (TUPLE, "(1,2)|1,2,3", ("(1,2)", "1,2,3")),
        (TUPLE, "[1,(2,)]|1,[2]|(1,2)", ("[1,(2,)]", "(1,2)")),
    ],
)
def test_values_of_any_other_design(axis: OpenAxis, text: str, expected: tuple[str, ...]) -> None:
    assert axis.vary(parse_values(text, axis, None), None).values == expected


def test_the_base_is_written_as_the_value_that_it_equals() -> None:
    assert TUPLE.vary(["1,2", "3"], None).base == "1,2"
    assert TUPLE.vary(["3"], None).base == "(1, 2)"
    assert OpenAxis("a").vary(["3"], None).base is None


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("backbone", "14", "'14' is not a value of the axis 'backbone'"),
        ("backbone", "", "backbone has no values"),
        ("backbone", "9,,10", "'9,,10' has an empty value"),
        ("rates", "6|", "'6|' has an empty value"),
        ("backbone", "11..9", "the range '11..9' has no values"),
        ("aspp_channels", "8..16/0", "the range '8..16/0' has no values"),
        ("dropout", "0..0.5", "the range '0..0.5' needs a step"),
        ("backbone", "*", "'*' is every choice, and backbone has no list of choices"),
        ("conv", "seperable", "'seperable' is not a value of the axis 'conv'"),
        ("aspp_channels", "1..999999999", "has more than 200,000 values"),
        ("aspp_channels", "|".join(["1..60000"] * 4), "has more than 200,000 values"),
    ],
)
def test_what_is_not_a_value_is_refused_with_a_way_to_write_it(
    name: str, text: str, what: str
) -> None:
    with pytest.raises(UsageError) as caught:
        values(name, text)
    assert what in caught.value.what
    assert caught.value.where == "here"
    assert caught.value.help


@pytest.mark.parametrize(
    ("name", "text", "what", "fix"),
    [
        ("backbone", "10..99", "the range '10..99' ends at 99", "write backbone=10..13"),
        ("backbone", "1..9", "the range '1..9' begins at 1", "write backbone=4..9"),
        ("rates", "0..3", "the range '0..3' begins at 0", "write rates=1..3"),
        ("backbone", "20..30", "begins at 20", "for example backbone=10"),
        ("backbone", "4..30/2", "ends at 30", "for example backbone=10"),
        ("dropout", "0..2/0.5", "the range '0..2/0.5' ends at 2.0", "for example dropout=0.3"),
        ("backbone", "9..4", "the range '9..4' has no values", "write 4..9"),
    ],
)
def test_a_range_that_leaves_an_axis_is_refused_at_its_end(
    name: str, text: str, what: str, fix: str
) -> None:
    with pytest.raises(UsageError) as caught:
        values(name, text)
    assert what in caught.value.what
    assert caught.value.help is not None
    assert caught.value.help.startswith(fix)


def test_as_many_values_as_are_allowed_are_read() -> None:
    assert len(parse_values(f"1..{MOST_VALUES}", FREE, None)) == MOST_VALUES
    with pytest.raises(UsageError):
        parse_values(f"1..{MOST_VALUES + 1}", FREE, None)


@pytest.mark.parametrize("text", ["backbone", "=9", " =9", ""])
def test_what_does_not_name_an_axis_and_values_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not say which values"):
        split_vary(text)


def test_an_axis_and_its_values_are_split_at_the_first_sign() -> None:
    assert split_vary(" note = a=b ") == ("note", "a=b")
    with pytest.raises(UnknownNameError) as caught:
        find_axis("backbon", AXES, "--vary backbon=9")
    assert caught.value.help == "did you mean 'backbone'?"
