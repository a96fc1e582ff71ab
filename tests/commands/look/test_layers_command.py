"""``ucseg layers``: the table of layers, on a screen and in files."""

from __future__ import annotations

import csv
import io
import json

import pytest

from support.fixture_types import Run


def test_files_have_every_layer_and_the_totals(ucseg: Run) -> None:
    data = json.loads(ucseg("layers", "v2", "-f", "json").stdout)
    assert data["total"]["params"] == 645_245
    for metric, total in data["total"].items():
        assert sum(layer[metric] for layer in data["layers"]) == total
    lines = list(csv.DictReader(io.StringIO(ucseg("layers", "v2", "-f", "csv").stdout)))
    assert [line["path"] for line in lines] == [layer["path"] for layer in data["layers"]]
    first = data["layers"][0]
    assert (first["inputs"], first["kernel"], first["stride"]) == (
        [[1, 3, 224, 224]],
        [3, 3],
        [2, 2],
    )


@pytest.mark.parametrize("depth", ["1", "2", "9"])
def test_files_do_not_depend_on_the_depth_of_the_screen(ucseg: Run, depth: str) -> None:
    whole = json.loads(ucseg("layers", "v2", "-f", "json").stdout)["layers"]
    assert json.loads(ucseg("layers", "v2", "-d", depth, "-f", "json").stdout)["layers"] == whole


def test_the_screen_ends_with_the_total_and_says_how_many_run(ucseg: Run) -> None:
    text = ucseg("layers", "v2", "--depth", "1").stdout
    assert "v2 runs 166 layers and 18 operators beside them" in text
    assert "(upsample_bilinear2d)" in text
    (total,) = [line for line in text.splitlines() if line.startswith("total")]
    assert total.split()[1:] == ["645.2k", "141.3M"]


def test_equal_blocks_are_one_row_unless_all_are_asked_for(ucseg: Run) -> None:
    assert "features.5 to 6 ×2" in ucseg("layers", "v2", "--depth", "2").stdout
    in_full = ucseg("layers", "v2", "--depth", "2", "--full").stdout
    assert " ×2" not in in_full
    assert "features.6 " in in_full


def test_folded_batch_norms_are_gone(ucseg: Run) -> None:
    assert "BatchNorm2d" in ucseg("layers", "v2", "--full").stdout
    assert "BatchNorm2d" not in ucseg("layers", "v2", "--full", "--deploy").stdout
