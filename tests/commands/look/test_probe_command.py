from __future__ import annotations

import json

import pytest

from support.fixture_types import Run, Tables
from support.screens import verdict
from ucseg_cli.report.formats.screen import display_width


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
        "shape": [1, 16, 128, 128],
        "dtype": "float32",
        "strides": [4, 4],
        "receptive_field": [7, 7],
        "receptive_field_at_size": [7, 7],
        "global_context": ["features.1.block.1"],
    }


def test_several_models_and_sizes_stand_side_by_side(ucseg: Run, read_tables: Tables) -> None:
    options = ("v1", "v2", "v2+output_stride=16", "--size", "512", "--size", "384x640")
    tables = read_tables(ucseg("probe", *options, "-f", "markdown").stdout)
    assert tables["Taps at 512"][3] == [
        "high",
        "96×16×16",
        "32",
        "96×16×16",
        "32",
        "96×32×32",
        "16",
    ]
    assert tables["Taps at 384x640"][3] == [
        "high",
        "96×12×20",
        "32",
        "96×12×20",
        "32",
        "96×24×40",
        "16",
    ]
    models = json.loads(ucseg("probe", *options, "-f", "json").stdout)["models"]
    assert [(model["name"], model["input"][2:]) for model in models] == [
        (name, size)
        for name in ("v1", "v2", "v2+output_stride=16")
        for size in ([512, 512], [384, 640])
    ]


def test_csv_has_a_record_for_each_tap_of_each_model_at_each_size(ucseg: Run) -> None:
    header, *records = ucseg(
        "probe", "v1", "v3", "-s", "64", "-s", "96", "-f", "csv"
    ).stdout.splitlines()
    assert header == "model,size,tap,channels,height,width,stride,module,shape,dtype"
    assert len(records) == 2 * 2 * 3
    assert records[0] == "v1,64,low,16,16,16,4,features.1,1x16x16x16,float32"


def test_a_size_that_is_asked_for_twice_is_shown_once(ucseg: Run) -> None:
    assert ucseg("probe", "-s", "64", "-s", "64").stdout == ucseg("probe", "-s", "64").stdout


def test_sides_that_are_no_multiple_of_the_stride_are_rounded_up(ucseg: Run) -> None:
    taps = json.loads(ucseg("probe", "--size", "33x65", "-f", "json").stdout)["models"][0]["taps"]
    assert [(tap["height"], tap["width"]) for tap in taps] == [(9, 17), (5, 9), (2, 3)]


def test_one_model_has_its_receptive_fields_and_the_reach_of_its_dilated_convs(
    ucseg: Run, read_tables: Tables
) -> None:
    tables = read_tables(ucseg("probe", "v2", "--size", "512", "-f", "markdown").stdout)
    fields = {row[0]: row[1:4] for row in tables["Receptive fields at 512"]}
    assert fields["map"] == ["height×width", "at this size", "of the input"]
    assert fields["high"] == ["511×511", "511×511", "99.8%"]
    assert fields["rate 12"] == ["1279×1279", "1279×1279", "249.8%"]
    assert fields["rate 18"] == [
        "1663×1663",
        "511×511",
        "99.8%",
    ]  # its outer kernel positions see only padding
    assert fields["image pooling"] == ["–", "–", "–"]
    assert tables["Reach of dilated convs at 512"][-1][1:] == ["18", "11.1%", "8 of 9", "577"]


def test_several_models_have_their_receptive_fields_side_by_side(
    ucseg: Run, read_tables: Tables
) -> None:
    tables = read_tables(ucseg("probe", "v1", "v2", "-f", "markdown").stdout)
    fields = {row[0]: row[1:] for row in tables["Receptive fields at 224"]}
    assert fields["high"] == ["383×383", "511×511"]
    assert fields["rate 6"] == ["767×767", "895×895"]  # 64 · 6 more than the high tap
    assert fields["rate 12"] == [
        "383×383",
        "511×511",
    ]  # on 7×7 its outer kernel positions see only padding
    assert fields["rate 18"] == ["–", "511×511"]
    assert "Reach of dilated convs at 224" not in tables


def test_json_names_branches_reach_and_global_context(ucseg: Run) -> None:
    (model,) = json.loads(ucseg("probe", "v2", "--size", "512", "-f", "json").stdout)["models"]
    assert [branch["name"] for branch in model["branches"]] == [
        "1×1",
        "rate 6",
        "rate 12",
        "rate 18",
        "image pooling",
    ]
    assert model["branches"][3]["module"] == "aspp.branches.3"
    assert model["branches"][3]["receptive_field"] == [1663, 1663]
    assert model["branches"][3]["receptive_field_at_size"] == [511, 511]
    assert model["branches"][4]["receptive_field"] is None
    assert model["branches"][4]["receptive_field_at_size"] is None
    assert model["branches"][4]["global_context"][-1] == "aspp.branches.4"
    assert [conv["pointwise"] for conv in model["reach"]] == [False, False, True]


def test_where_every_tap_reads_data_nothing_is_missing_at_this_size(ucseg: Run) -> None:
    (model,) = json.loads(ucseg("probe", "v2", "--size", "577", "-f", "json").stdout)["models"]
    assert all(
        branch["receptive_field"] == branch["receptive_field_at_size"]
        for branch in model["branches"]
    )
    note = "leaves out kernel positions that only ever see padding"
    assert note not in ucseg("probe", "v2", "--size", "577").stdout
    assert note in ucseg("probe", "v2", "--size", "576").stdout


def test_what_may_exceed_the_input_has_no_bar(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    lines = ucseg("probe", "v2", "--size", "512").stdout.splitlines()
    table = lines[
        lines.index("Receptive fields at 512") : lines.index("Reach of dilated convs at 512")
    ]
    assert any("249.8%" in line for line in table)
    assert not any("█" in line for line in table)


def test_the_summary_has_a_sentence_for_each_model_at_each_size(ucseg: Run) -> None:
    answer = ucseg("probe", "v1", "v2", "--size", "512", "--size", "384x640", "--size", "224")
    assert verdict(answer.stdout) == (
        "At 512 pixels the high tap of v1 is 96×16×16, stride 32. "
        "At 384x640 pixels the high tap of v1 is 96×12×20, stride 32. "
        "At 224 pixels the high tap of v1 is 96×7×7, stride 32; "
        "there rate 12 is exactly a 1×1 conv. "
        "At 512 pixels the high tap of v2 is 96×16×16, stride 32; "
        "there rate 18 is exactly a 1×1 conv. "
        "At 384x640 pixels the high tap of v2 is 96×12×20, stride 32. "
        "At 224 pixels the high tap of v2 is 96×7×7, stride 32; "
        "there rates 12 and 18 are exactly 1×1 convs."
    )


# Taps of anything


def test_any_modules_can_be_tapped(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg(
        "probe", "v2", "--tap", "aspp.branches.*", "-t", "high", "-s", "512", "-f", "markdown"
    )
    tables = read_tables(answer.stdout)
    assert [row[0] for row in tables["Taps at 512"][1:]] == [
        "high",
        *(f"aspp.branches.{index}" for index in range(5)),
    ]
    assert tables["Taps at 512"][1] == ["high", "96", "16", "16", "32", "features.10"]
    fields = {row[0]: row[1:3] for row in tables["Receptive fields at 512"]}
    assert list(fields) == [
        "map",
        "high",
        *(f"aspp.branches.{index}" for index in range(5)),
    ]  # and no row for a branch
    assert fields["aspp.branches.3"] == ["1663×1663", "511×511"]


def test_a_tap_that_no_module_fits_is_an_error_with_the_nearest(ucseg: Run) -> None:
    answer = ucseg("probe", "v2", "--tap", "featurs.10")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == (
        "error: no module of v2 is named 'featurs.10'\n"
        "  --> --tap featurs.10\n"
        "   = help: did you mean 'features.10'? `ucseg params v2 --depth 2` shows them\n"
    )


def test_of_many_taps_the_first_are_shown_and_all_are_in_json_and_csv(
    ucseg: Run, read_tables: Tables
) -> None:
    options = ("probe", "v2", "--tap", "features.*", "--top", "3")
    tables = read_tables(ucseg(*options, "-f", "markdown").stdout)
    assert [row[0] for row in tables["Taps at 224"]] == [
        "tap",
        "features.0",
        "features.1",
        "features.2",
        "8 others",
    ]
    assert tables["Receptive fields at 224"][-1][0] == "8 others"
    assert len(json.loads(ucseg(*options, "-f", "json").stdout)["models"][0]["taps"]) == 11
    assert len(ucseg(*options, "-f", "csv").stdout.splitlines()) == 12
    assert ucseg("probe", "v2", "--top", "0").returncode == 2


def test_models_that_share_names_stand_side_by_side_with_whole_shapes(
    ucseg: Run, read_tables: Tables
) -> None:
    models = ("torchvision:resnet18", "torchvision:resnet34")
    tables = read_tables(ucseg("probe", *models, "-s", "64", "-f", "markdown").stdout)
    assert tables["Taps at 64"][0][1] == "resnet18 shape"
    assert tables["Taps at 64"][-1] == ["fc", "1×1000", "–", "1×1000", "–"]
    assert tables["Receptive fields at 64"][8] == ["layer4", "435×435", "899×899"]


def test_what_is_behind_an_operator_that_is_not_followed_is_named(ucseg: Run) -> None:
    answer = ucseg("probe", "torchvision:swin_t", "--tap", "features.*")
    assert (
        "Not known, behind an operator that is not followed here: features.1, features.2"
        in answer.stdout
    )
    assert verdict(answer.stdout).endswith(
        "the features.7 tap of torchvision:swin_t is 768×7×7, stride 32."
    )


def test_tensors_that_are_no_image_are_named_by_their_shape(
    ucseg: Run, read_tables: Tables
) -> None:
    options = ("probe", "torchvision:r3d_18", "--input", "1x3x16x112x112", "--tap", "layer4")
    answer = ucseg(*options, "-f", "markdown").stdout
    assert read_tables(answer)["Taps at 1×3×16×112×112"][1] == [
        "layer4",
        "1×512×2×7×7",
        "8×16×16",
        "Sequential",
    ]
    assert (
        "On 1×3×16×112×112 the layer4 tap of torchvision:r3d_18 is 1×512×2×7×7, stride 8×16×16."
        in answer
    )


@pytest.mark.parametrize("width", [20, 44, 60, 120])
@pytest.mark.parametrize(
    "models", [("torchvision:swin_t",), ("torchvision:resnet18", "torchvision:resnet34")]
)
def test_no_screen_of_them_is_wider_than_the_terminal(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, width: int, models: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = ucseg("probe", *models, "--tap", "**", "--top", "9").stdout.splitlines()
    assert max(map(display_width, lines)) <= width
