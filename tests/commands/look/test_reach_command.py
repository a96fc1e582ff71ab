from __future__ import annotations

import json
from subprocess import CompletedProcess

import pytest

from support.fixture_types import Run, Tables, TraceOf
from support.screens import verdict
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references.variants import as_variant
from ucseg_cli.report.answers.look.reach import reach_report
from ucseg_cli.report.formats.screen import Screen
from ucseg_cli.report.formats.terminal import render_terminal


def last_line(answer: CompletedProcess[str]) -> str:
    assert (answer.returncode, answer.stderr) == (0, "")
    return verdict(answer.stdout)


def test_the_branch_that_is_exactly_a_pointwise_conv_is_named_in_the_sentence(ucseg: Run) -> None:
    assert last_line(ucseg("reach", "v2", "--size", "512")) == (
        "At 512, 1 of v2's 3 dilated convs is exactly a 1×1 conv: "
        "aspp.branches.3.depthwise (rate 18 on a 16×16 map); "
        "from 577 px on, every kernel position sees data."
    )


@pytest.mark.parametrize(
    ("reference", "size", "said"),
    [
        ("v2", "224", "At 224, 2 of v2's 3 dilated convs are exactly 1×1 convs"),
        ("v1", "512x224", "aspp.branches.2.0 (rate 12 on a 16×7 map, 6 of 9 positions)"),
        # (27² + 15²) / (2 · 39²) read data
        ("v1", "385", "data somewhere; 68.6% of their MACs meet padding."),
        ("v2+rates=1", "64", "v2+rates=1 has no dilated conv."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_is_dead(ucseg: Run, reference: str, size: str, said: str) -> None:
    assert said in last_line(ucseg("reach", reference, "--size", size))


def test_json_has_integers_and_the_same_sentence(ucseg: Run) -> None:
    answer = json.loads(ucseg("reach", "v2", "-s", "512", "-s", "640", "-f", "json").stdout)
    assert answer["kind"] == "ucseg.reach"
    assert answer["model"] == "v2"
    assert [size["input"] for size in answer["sizes"]] == [[1, 3, 512, 512], [1, 3, 640, 640]]
    assert answer["sizes"][0]["convs"][2] == {
        "module": "aspp.branches.3.depthwise",
        "rate": [18, 18],
        "map": [16, 16],
        "reads": 256,  # the centre, at 16 · 16 positions
        "products": 2304,  # 9 taps at as many
        "axes": {"height": {"reads": 16, "products": 48}, "width": {"reads": 16, "products": 48}},
        "kernel_positions": 9,
        "dead_positions": 8,
        "dead_params": 768,
        "dead_macs": 196_608,
        "padding_macs": 196_608,
        "macs": 221_184,
        "pointwise": True,
        "least_size": [577, 577],
    }
    assert answer["verdict"]["summary"] == last_line(ucseg("reach", "v2", "-s", "512", "-s", "640"))


def test_csv_has_a_record_for_each_conv_at_each_size(ucseg: Run) -> None:
    header, *records = ucseg(
        "reach", "v2", "-s", "512", "-s", "224", "-f", "csv"
    ).stdout.splitlines()
    assert header.startswith(
        "size,module,rate_height,rate_width,map_height,map_width,reads,products,kernel_positions,dead_positions"
    )
    assert [record.split(",")[:2] for record in records[:1]] == [
        ["512", "aspp.branches.1.depthwise"]
    ]
    assert len(records) == 2 * 3


def test_every_dilated_conv_is_listed_also_those_of_the_backbone(
    ucseg: Run, read_tables: Tables
) -> None:
    tables = read_tables(
        ucseg("reach", "v2+output_stride=16", "-s", "512", "-f", "markdown").stdout
    )
    rows = tables["Reach of dilated convs at 512"][1:]
    assert [(row[0], row[1]) for row in rows[:2]] == [
        ("features.9.block.1.0", "2"),
        ("features.10.block.1.0", "2"),
    ]
    assert len(rows) == 5


def test_without_a_model_it_is_the_default_at_the_default_size(ucseg: Run) -> None:
    assert ucseg("reach").stdout == ucseg("reach", "v2", "--size", "224").stdout


@pytest.mark.parametrize("columns", [50, 60, 72, 79, 80, 81, 90, 100])
def test_the_tables_of_all_sizes_have_the_same_columns_at_the_same_places(
    trace_of: TraceOf, columns: int
) -> None:
    sizes = [Conditions(Size(side, side)) for side in (224, 512)]
    v2 = as_variant("v2")
    measured = [(Subject("v2", trace_of(v2, at)), at) for at in sizes]
    lines = render_terminal(reach_report("v2", measured), Screen(columns)).splitlines()
    first, second = (line for line in lines if line.startswith("module "))
    assert first == second
