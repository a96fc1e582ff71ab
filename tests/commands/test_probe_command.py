from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]
Tables = Callable[[str], dict[str, list[list[str]]]]
Number = Callable[[str], int]


def test_the_command_of_the_contract_works_exactly_as_written(ucseg: Run) -> None:
    answer = ucseg("probe", "--size", "512")
    assert answer.returncode == 0
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert ["low", "16", "128", "128", "4", "features.1"] in rows
    assert ["mid", "24", "64", "64", "8", "features.3"] in rows
    assert ["high", "96", "16", "16", "32", "features.10"] in rows


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    answer = json.loads(ucseg("probe", "v1", "--size", "512", "--format", "json").stdout)
    assert answer["kind"] == "ucseg.probe"
    assert answer["models"][0]["taps"][0] == {
        "name": "low",
        "channels": 16,
        "height": 128,
        "width": 128,
        "stride": 4,
        "module": "features.1",
        "receptive_field": [7, 7],
        "receptive_field_at_size": [7, 7],
        "global_context": ["features.1.block.1"],
    }


def test_several_models_and_sizes_stand_side_by_side(ucseg: Run, read_tables: Tables) -> None:
    options = ("v1", "v2", "v2+output_stride=16", "--size", "512", "--size", "384x640")
    tables = read_tables(ucseg("probe", *options, "-f", "markdown").stdout)
    assert tables["Taps at 512"][3] == ["high", "96×16×16", "32", "96×16×16", "32", "96×32×32", "16"]
    assert tables["Taps at 384x640"][3] == ["high", "96×12×20", "32", "96×12×20", "32", "96×24×40", "16"]
    models = json.loads(ucseg("probe", *options, "-f", "json").stdout)["models"]
    assert [(each["name"], each["input"][2:]) for each in models] == [
        (name, size) for name in ("v1", "v2", "v2+output_stride=16") for size in ([512, 512], [384, 640])
    ]


def test_csv_has_a_record_for_each_tap_of_each_model_at_each_size(ucseg: Run) -> None:
    header, *records = ucseg("probe", "v1", "v3", "-s", "64", "-s", "96", "-f", "csv").stdout.splitlines()
    assert header == "model,size,tap,channels,height,width,stride,module"
    assert len(records) == 2 * 2 * 3
    assert records[0] == "v1,64,low,16,16,16,4,features.1"


def test_a_size_that_is_asked_for_twice_is_shown_once(ucseg: Run) -> None:
    assert ucseg("probe", "-s", "64", "-s", "64").stdout == ucseg("probe", "-s", "64").stdout


def test_sides_that_are_no_multiple_of_the_stride_are_rounded_up(ucseg: Run) -> None:
    taps = json.loads(ucseg("probe", "--size", "33x65", "-f", "json").stdout)["models"][0]["taps"]
    assert [(tap["height"], tap["width"]) for tap in taps] == [(9, 17), (5, 9), (2, 3)]


def test_one_model_has_its_receptive_fields_and_the_reach_of_its_dilated_convs(ucseg: Run, read_tables: Tables) -> None:
    tables = read_tables(ucseg("probe", "v2", "--size", "512", "-f", "markdown").stdout)
    fields = {row[0]: row[1:4] for row in tables["Receptive fields at 512"]}
    assert fields["map"] == ["height×width", "at this size", "of the input"]
    assert fields["high"] == ["511×511", "511×511", "99.8 %"]
    assert fields["rate 12"] == ["1279×1279", "1279×1279", "249.8 %"]
    assert fields["rate 18"] == ["1663×1663", "511×511", "99.8 %"]  # its outer taps read only padding
    assert fields["image pooling"] == ["–", "–", "–"]
    assert tables["Reach of dilated convs at 512"][-1][1:] == ["18", "11.1 %", "8 of 9", "577"]


def test_several_models_have_their_receptive_fields_side_by_side(ucseg: Run, read_tables: Tables) -> None:
    tables = read_tables(ucseg("probe", "v1", "v2", "-f", "markdown").stdout)
    fields = {row[0]: row[1:] for row in tables["Receptive fields at 224"]}
    assert fields["high"] == ["383×383", "511×511"]
    assert fields["rate 6"] == ["767×767", "895×895"]  # 64 · 6 more than the high tap
    assert fields["rate 12"] == ["383×383", "511×511"]  # on 7×7 its outer taps read only padding
    assert fields["rate 18"] == ["–", "511×511"]
    assert "Reach of dilated convs at 224" not in tables


def test_json_names_branches_reach_and_global_context(ucseg: Run) -> None:
    (model,) = json.loads(ucseg("probe", "v2", "--size", "512", "-f", "json").stdout)["models"]
    assert [branch["name"] for branch in model["branches"]] == ["1×1", "rate 6", "rate 12", "rate 18", "image pooling"]
    assert model["branches"][3]["module"] == "aspp.branches.3"
    assert model["branches"][3]["receptive_field"] == [1663, 1663]
    assert model["branches"][3]["receptive_field_at_size"] == [511, 511]
    assert model["branches"][4]["receptive_field"] is None
    assert model["branches"][4]["receptive_field_at_size"] is None
    assert model["branches"][4]["global_context"][-1] == "aspp.branches.4"
    assert [conv["pointwise"] for conv in model["reach"]] == [False, False, True]


def test_where_every_tap_reads_data_nothing_is_missing_at_this_size(ucseg: Run) -> None:
    (model,) = json.loads(ucseg("probe", "v2", "--size", "577", "-f", "json").stdout)["models"]
    assert all(each["receptive_field"] == each["receptive_field_at_size"] for each in model["branches"])
    assert "At this size means" not in ucseg("probe", "v2", "--size", "577").stdout
    assert "At this size means" in ucseg("probe", "v2", "--size", "576").stdout


def test_what_may_exceed_the_input_has_no_bar(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    lines = ucseg("probe", "v2", "--size", "512").stdout.splitlines()
    table = lines[lines.index("Receptive fields at 512") : lines.index("Reach of dilated convs at 512")]
    assert any("249.8 %" in line for line in table)
    assert not any("█" in line for line in table)


def test_the_summary_has_a_sentence_for_each_model_at_each_size(ucseg: Run) -> None:
    answer = ucseg("probe", "v1", "v2", "--size", "512", "--size", "384x640", "--size", "224")
    assert answer.stdout.splitlines()[-1] == (
        "At 512 pixels the high tap of v1 is 96×16×16, stride 32. "
        "At 384x640 pixels the high tap of v1 is 96×12×20, stride 32. "
        "At 224 pixels the high tap of v1 is 96×7×7, stride 32; there rate 12 is exactly a 1×1 conv. "
        "At 512 pixels the high tap of v2 is 96×16×16, stride 32; there rate 18 is exactly a 1×1 conv. "
        "At 384x640 pixels the high tap of v2 is 96×12×20, stride 32. "
        "At 224 pixels the high tap of v2 is 96×7×7, stride 32; there rates 12 and 18 are exactly 1×1 convs."
    )
