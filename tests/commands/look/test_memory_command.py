from __future__ import annotations

import json
from typing import Any

import pytest

from support.fixture_types import Number, Run, Tables
from support.screens import verdict
from ucseg_cli.report.answers.look.memory import NAMED

V2_AT_512 = 95_256_576
LOGITS, UPSAMPLED, IMAGE = 21 * 512 * 512 * 4, 64 * 512 * 512 * 4, 3 * 512 * 512 * 4


def answer(ucseg: Run, *arguments: str) -> Any:
    return json.loads(ucseg("memory", *arguments, "-f", "json").stdout)


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    said = answer(ucseg, "v2")
    assert said["kind"] == "ucseg.memory"
    assert (said["dtype"], said["conditions"]["dtype"]) == (None, "float32")
    for peak in (said["peak"], said["least"]):
        assert peak.keys() == {"bytes", "input_bytes", "module", "op", "alive"}
        assert all(
            held.keys() == {"bytes", "shape", "dtype", "module", "op", "needed"}
            for held in peak["alive"]
        )
    assert (
        said["weights_bytes"]
        == json.loads(ucseg("params", "v2", "-f", "json").stdout)["total"]["bytes"]
    )


def test_v2_peaks_in_its_classifier_which_runs_at_full_resolution(ucseg: Run) -> None:
    said = answer(ucseg, "v2", "--size", "512")
    peak, least = said["peak"], said["least"]
    assert (peak["bytes"], peak["input_bytes"], peak["module"], peak["op"]) == (
        V2_AT_512,
        IMAGE,
        "classifier.1",
        "conv2d",
    )
    assert [held["bytes"] for held in least["alive"]] == [UPSAMPLED, LOGITS, IMAGE]
    assert least["bytes"] == UPSAMPLED + LOGITS + IMAGE
    assert peak["alive"][0] == {
        "bytes": UPSAMPLED,
        "shape": [1, 64, 512, 512],
        "dtype": "float32",
        "module": "",
        "op": "upsample_bilinear2d",
        "needed": True,
    }
    assert [held["op"] for held in peak["alive"] if held["bytes"] == IMAGE] == [None]


@pytest.mark.parametrize("model", ["v1", "v2", "v3", "v2+head=before-upsample"])
@pytest.mark.parametrize("moment", ["peak", "least"])
def test_what_is_alive_adds_up_to_the_peak(ucseg: Run, model: str, moment: str) -> None:
    peak = answer(ucseg, model)[moment]
    assert sum(held["bytes"] for held in peak["alive"]) == peak["bytes"]


@pytest.mark.parametrize("top", ["1", "3", "99"])
def test_rows_add_up_to_the_printed_total_however_many_are_folded(
    ucseg: Run, read_tables: Tables, number: Number, top: str
) -> None:
    tables = read_tables(ucseg("memory", "v2", "--exact", "-f", "markdown", "--top", top).stdout)
    header, *rows, total = tables["Alive at the peak"]
    at = header.index("bytes")
    assert len(rows) <= int(top) + 1
    assert (
        sum(number(row[at]) for row in rows)
        == number(total[at])
        == answer(ucseg, "v2")["peak"]["bytes"]
    )


def test_what_is_held_longer_than_it_is_used_is_named_and_is_the_difference_to_the_least(
    ucseg: Run,
) -> None:
    said, screen = answer(ucseg, "v2"), ucseg("memory", "v2", "--exact").stdout
    overdue = [held for held in said["peak"]["alive"] if not held["needed"]]
    # the taps, the skip and the decoder's map are still in variables while the classifier runs
    assert [held["module"] for held in overdue] == [
        "features.1.block.2.1",
        "decoder.1.bn2",
        "features.3.block.2.1",
        "mid_conv.1",
        "features.10.block.3.1",
    ]
    assert said["peak"]["bytes"] - said["least"]["bytes"] == sum(held["bytes"] for held in overdue)
    (note,) = (part for part in screen.split("\n\n") if part.startswith("Kept alive"))
    assert len(overdue) <= NAMED
    assert all(held["module"] in note for held in overdue)


def test_the_classifier_before_the_upsample_takes_less_than_a_third(ucseg: Run) -> None:
    after, before = (
        answer(ucseg, f"v2+head={head}-upsample")["peak"]["bytes"] for head in ("after", "before")
    )
    assert 3 * before < after


@pytest.mark.parametrize(
    ("dtype", "half_bytes"), [("float16", 1), ("bfloat16", 1), ("float32", 2), ("float64", 4)]
)
def test_the_element_type_scales_activations_and_weights(
    ucseg: Run, dtype: str, half_bytes: int
) -> None:
    said, single = answer(ucseg, "v2", "--dtype", dtype), answer(ucseg, "v2")
    assert 2 * said["peak"]["bytes"] == half_bytes * single["peak"]["bytes"]
    counters = 44 * 8  # batch norms count their batches in int64
    assert 2 * (said["weights_bytes"] - counters) == half_bytes * (
        single["weights_bytes"] - counters
    )
    assert {held["dtype"] for held in said["peak"]["alive"]} == {dtype}
    assert f"dtype {dtype}" in ucseg("memory", "v2", "--dtype", dtype).stdout.splitlines()[1]


def test_an_unknown_element_type_is_met_with_the_nearest(ucseg: Run) -> None:
    refused = ucseg("memory", "v2", "--dtype", "flaot16")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no dtype named 'flaot16'" in refused.stderr
    assert "did you mean 'float16'?" in refused.stderr


def test_fewer_than_one_row_is_refused(ucseg: Run) -> None:
    assert ucseg("memory", "v2", "--top", "0").returncode == 2


def test_twice_the_batch_is_twice_the_activations_and_as_many_weights(ucseg: Run) -> None:
    one, two = (answer(ucseg, "v2", "--batch", batch) for batch in ("1", "2"))
    assert two["peak"]["bytes"] == 2 * one["peak"]["bytes"]
    assert two["weights_bytes"] == one["weights_bytes"]


def test_the_summary_says_how_much_where_and_of_what(ucseg: Run) -> None:
    assert verdict(ucseg("memory", "v2", "--size", "512").stdout) == (
        "Inference of v2 at 512 needs at most 95.3 MB for activations, in classifier.1; "
        "70.5% of it is the 1×64×512×512 that upsample_bilinear2d makes in the model itself. "
        "Weights add 2.62 MB."
    )


def test_csv_can_be_summed(ucseg: Run) -> None:
    header, *records = ucseg(
        "memory", "v2", "--size", "512", "-f", "csv", "--top", "1"
    ).stdout.splitlines()
    at = header.split(",").index("bytes")
    assert sum(int(record.split(",")[at]) for record in records) == V2_AT_512


def test_show_compare_and_check_know_the_peak(ucseg: Run) -> None:
    peak = answer(ucseg, "v2")["peak"]["bytes"]
    assert json.loads(ucseg("show", "v2", "-f", "json").stdout)["total"]["peak-memory"] == peak
    models = json.loads(ucseg("compare", "v1", "v2", "-f", "json").stdout)["models"]
    assert models[-1]["total"]["peak-memory"] == peak
    assert ucseg("check", "v2", "--max", f"peak-memory={peak}").returncode == 0
    assert ucseg("check", "v2", "--max", f"peak-memory={peak - 1}").returncode == 1
