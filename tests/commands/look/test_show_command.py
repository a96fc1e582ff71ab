from __future__ import annotations

import json

import pytest

from support.fixture_types import Number, Run, Tables
from support.screens import verdict


def test_one_screen_holds_totals_axes_taps_and_the_heaviest_modules(ucseg: Run) -> None:
    answer = ucseg("show", "v2")
    assert answer.returncode == 0
    for heading in ("Totals", "Axes", "Taps", "Heaviest modules"):
        assert f"\n{heading}\n" in answer.stdout
    assert verdict(answer.stdout).startswith("v2 has 645,245 parameters and takes 141,328,192")


def test_without_a_model_it_is_the_default(ucseg: Run) -> None:
    assert ucseg("show").stdout == ucseg("show", "v2").stdout


def test_argument_and_option_name_the_same_model(ucseg: Run) -> None:
    assert (
        ucseg("show", "v3").stdout
        == ucseg("show", "-v", "v3").stdout
        == ucseg("show", "v3", "--variant", "v3").stdout
    )


def test_an_inline_variant_is_shown_with_what_differs(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg("show", "v2+backbone=10+rates=6,12", "-f", "markdown").stdout
    axes = {row[0]: row[1:] for row in read_tables(answer)["Axes"]}
    assert axes["conv"] == ["separable", "regular"]
    assert axes["backbone"] == [":10", ""]
    assert axes["rates"] == ["6,12", ""]


def test_the_heaviest_modules_and_the_others_add_up(
    ucseg: Run, read_tables: Tables, number: Number
) -> None:
    tables = read_tables(ucseg("show", "v2", "-f", "markdown", "--exact").stdout)
    heaviest = tables["Heaviest modules"][1:]
    assert heaviest[-1][0].endswith("others")
    assert sum(number(row[1]) for row in heaviest) == 141_328_192
    assert sum(number(row[3]) for row in heaviest) == 645_245


def test_the_output_is_the_last_row_of_the_taps_and_a_list_of_shapes_in_json(
    ucseg: Run, read_tables: Tables
) -> None:
    taps = read_tables(ucseg("show", "v2", "-f", "markdown").stdout)["Taps"]
    assert taps[-1][:2] == ["output", "21×224×224"]
    assert json.loads(ucseg("show", "v2", "-f", "json").stdout)["output"] == [[1, 21, 224, 224]]


def test_json_holds_totals_axes_and_taps(ucseg: Run) -> None:
    answer = json.loads(ucseg("show", "v2", "-f", "json").stdout)
    assert answer["kind"] == "ucseg.show"
    assert answer["total"]["params"] == 645_245
    assert answer["axes"]["rates"] == [6, 12, 18]
    assert answer["taps"][-1] == {
        "name": "high",
        "module": "features.10",
        "shape": [1, 96, 7, 7],
        "stride": 32,
    }
    assert answer["conditions"] == {
        "inputs": [[1, 3, 224, 224]],
        "dtype": "float32",
        "mode": "eval",
        "convention": "fvcore",
    }


@pytest.mark.parametrize("convention", ["fvcore", "macs", "torch"])
def test_every_convention_can_be_the_one_that_ranks(ucseg: Run, convention: str) -> None:
    answer = ucseg("show", "v1", "--convention", convention, "-f", "json")
    assert json.loads(answer.stdout)["conditions"]["convention"] == convention
