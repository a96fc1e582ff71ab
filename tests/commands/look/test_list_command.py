from __future__ import annotations

import json

from support.fixture_types import Run, Tables


def test_every_named_variant_has_a_line_with_what_differs_from_the_baseline(
    ucseg: Run, read_tables: Tables
) -> None:
    answer = ucseg("list", "-f", "markdown")
    assert answer.returncode == 0
    rows = {row[0]: row[3] for row in read_tables(answer.stdout)["Named variants"]}
    assert rows["v1"] == "nothing"
    assert rows["v2"].startswith("backbone :11, rates 6,12,18, conv separable")
    assert "low_skip 16" in rows["v3"]


def test_json_says_axes_changes_and_raw_integers(ucseg: Run) -> None:
    answer = json.loads(ucseg("list", "--format", "json").stdout)
    assert answer["kind"] == "ucseg.list"
    v1, v2, v3 = answer["variants"]
    assert (v1["name"], v1["changes"]) == ("v1", [])
    assert {"axis": "rates", "before": [6, 12], "after": [6, 12, 18]} in v2["changes"]
    assert (
        v3["params"] - v2["params"] == 6416
    )  # low_conv 256 + 32, refine 9 × 80 + 80 × 64, its norms 2 × (80 + 64)
    assert isinstance(v2["macs"], int)
    assert (answer["baseline"], answer["default"]) == ("v1", "v2")


def test_csv_has_a_record_for_each_variant(ucseg: Run) -> None:
    header, *records = ucseg("list", "-f", "csv").stdout.splitlines()
    assert header == "name,params,macs,changes"
    assert [record.split(",")[:2] for record in records] == [
        ["v1", "475077"],
        ["v2", "645245"],
        ["v3", "651661"],
    ]


def test_macs_follow_the_size_and_parameters_do_not(ucseg: Run) -> None:
    small, large = (
        json.loads(ucseg("list", "--size", size, "-f", "json").stdout)["variants"]
        for size in ("64", "128")
    )
    assert [variant["params"] for variant in small] == [variant["params"] for variant in large]
    assert all(before["macs"] < after["macs"] for before, after in zip(small, large, strict=True))
