from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess

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
