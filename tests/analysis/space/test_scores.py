"""Files of scores, joined by variant."""

from __future__ import annotations

from fractions import Fraction

import pytest

from support.spaces import family_space
from ucseg_cli.analysis.space.scores import parse_score, read_scores, score_name
from ucseg_cli.analysis.space.sweep_answer import Scores
from ucseg_cli.errors import UcsegError, UsageError
from ucseg_cli.references import Model, parse_reference

SPACE = family_space("v2", {"backbone": "10,11", "conv": "*"})


def find(text: str, where: object) -> Model:
    return parse_reference(text, where=str(where)).model


def scores(text: str) -> Scores:
    return read_scores(text, "scores.csv", SPACE, find)


def test_columns_are_joined_by_variant_however_it_is_spelled() -> None:
    found = scores(
        "epoch,Reference,mIoU,notes,params,conv\n"
        "3,v2,0.70,best,1,x\n"
        '3,"v2+backbone=11+conv=regular",.612,,2,x\n'
        "\n"
        "4,v1+conv=regular+backbone=10+rates=6,,,,\n"
        "4,v2+backbone=:10,nan,,3,x\n"
    )
    assert found.columns == {
        "epoch": [None, Fraction(4), Fraction(3), Fraction(3)],
        "miou": [None, None, Fraction("0.612"), Fraction("0.7")],
    }
    assert (found.missing, found.outside) == (1, ("v1+conv=regular+backbone=10+rates=6",))


def test_without_a_heading_that_names_it_the_first_column_has_the_references() -> None:
    assert scores("net;x,top-1 acc\nv2,71.5\n").columns == {
        "top-1-acc": [None, None, None, Fraction("71.5")]
    }
    assert scores("\ufeffmodel,a\r\nv2,1\r\n").columns == {"a": [None, None, None, Fraction(1)]}
    assert score_name(" mIoU  test_set") == "miou-test-set"


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", "scores.csv:1", "it is empty"),
        ("\n\n", "scores.csv:1", "it is empty"),
        ("reference,miou\n", "scores.csv:1", "it has no column of figures"),
        ("reference,note\nv2,good\n", "scores.csv:1", "it has no column of figures"),
        ("reference,m\nv2,1\nv2+backbone=11,2\n", "scores.csv:3", "same variant as that of line 2"),
        ("reference,m\nv2,1\nv2+conv=regular,x\n", "scores.csv:3", "'x' in the column 'm'"),
        ("reference,m\nv2,1\n\nv9,1\n", "scores.csv:4", "no variant named 'v9'"),
        ("reference,m\nv2,1,000\n", "scores.csv:2", "the line has 3 cells, and the heading 2"),
        ("reference,m\nv2,1\nv2+rates=6,12,1\n", "scores.csv:3", "has 3 cells"),
        ("reference,m\nv2,0,712\n", "scores.csv:2", "has 3 cells"),
        ("reference,m\nv2,1\n,1\n", "scores.csv:3", "the line names no model"),
        ("m,reference\n1\n", "scores.csv:2", "the line names no model"),
        ("reference;m\nv2;0,5\n", "scores.csv:1", "semicolons separate its cells"),
        ("reference\tm\nv2\t0.5\n", "scores.csv:1", "tabs separate its cells"),
        ("reference,m,M\nv2,1,2\n", "scores.csv:1", "two columns are named 'm'"),
        ('reference,m\nv2,"1\n', "scores.csv:2", "it is not CSV"),
        ("reference,m\nv2," + "1" * 200_000, "scores.csv:2", "it is not CSV"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, place: str, what: str) -> None:
    with pytest.raises(UcsegError) as caught:
        scores(text)
    assert what in caught.value.what
    assert caught.value.where == place


def test_each_column_without_figures_says_why() -> None:
    with pytest.raises(UsageError) as caught:
        scores("model,miou,params,,conv\nv2,50%,3,,x\n")
    assert caught.value.notes == (
        "the column 'miou' has no number in it",
        "the column 'params' is a metric or an axis",
        "the column 'conv' is a metric or an axis",
    )


@pytest.mark.parametrize("text", ["0.61", " 1 ", "-3.", "+.5", "1e-3", "12345678901234567890"])
def test_a_number_is_read_exactly(text: str) -> None:
    assert parse_score(text, "here") == Fraction(text.strip())


def test_a_heading_may_name_a_unit_which_is_no_part_of_the_name() -> None:
    found = scores("model,pixel8 [ms],Energy[ mJ ],miou\nv2,12.5,3,0.7\n")
    assert [*found.columns] == ["pixel8", "energy", "miou"]
    assert found.units == {"pixel8": "ms", "energy": "mJ", "miou": ""}
    assert score_name("Pixel8 [ms]") == "pixel8"


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("33", "ms", 33),
        ("33ms", "ms", 33),
        ("0.033 s", "ms", 33),
        ("250us", "ms", Fraction(1, 4)),
        ("33 mJ", "mJ", 33),
        ("33", "mJ", 33),
    ],
)
def test_a_limit_on_a_score_may_have_its_unit_or_another_of_time(
    text: str, unit: str, number: Fraction
) -> None:
    assert parse_score(text, "here", unit) == number


@pytest.mark.parametrize(("text", "unit"), [("33ms", ""), ("33 J", "mJ"), ("33ms", "mJ")])
def test_another_unit_than_a_column_s_is_refused(text: str, unit: str) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        parse_score(text, "here", unit)


@pytest.mark.parametrize("text", ["", "x", "1/3", "inf", "nan", "1e999", "1_0", "0x1", "60%"])
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        parse_score(text, "here")
