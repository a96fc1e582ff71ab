from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run, Tables
from ucseg_cli.cli.completion.complete_reference import complete_reference

TINY = """
default = "tiny"
baseline = "v2"
size = [32, "32x64"]
convention = "torch"

[variants.tiny]
from = "v2"
backbone = 10
rates = [1, 2]

[[budgets]]
id = "small"
variant = "t*"
metric = "params"
max = "650k"
warn = 600_000
message = "it must fit"

[[budgets]]
id = "head"
metric = "bytes"
module = "decoder"
dtype = "float16"
size = 64
vs-baseline = "+2%"

[lint]
select = ["UC104", "UC108"]
ignore = "UC108"
fail-on = "warning"
"""
WRITTEN = "v2+backbone=10+rates=1,2"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A project with settings of its own for everything."""
    path = tmp_path / "pyproject.toml"
    tables = TINY.replace("[variants", "[tool.ucseg.variants").replace(
        "[[budgets", "[[tool.ucseg.budgets"
    )
    path.write_text(f"[tool.ucseg]{tables.replace('[lint', '[tool.ucseg.lint')}", "utf-8")
    return path


def answer_of(ucseg: Run, *arguments: str) -> dict[str, Any]:
    answer = ucseg(*arguments, "-f", "json")
    assert answer.stderr == ""
    parsed: dict[str, Any] = json.loads(answer.stdout)
    return parsed


def inputs(answer: dict[str, Any]) -> list[list[int]]:
    shapes: list[list[int]] = answer["conditions"]["inputs"]
    return shapes


ONE_MODEL = [["params"], ["flops"], ["show"], ["memory"], ["lint", "--exit-zero"]]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("command", ONE_MODEL, ids=lambda command: command[0])
def test_a_command_about_one_model_takes_the_configured_default_at_the_first_size(
    ucseg: Run, command: list[str]
) -> None:
    answer = answer_of(ucseg, *command)
    assert inputs(answer) == [[1, 3, 32, 32]]
    assert answer == answer_of(ucseg, *command, "tiny", "--size", "32")
    assert "tiny" in answer["verdict"]["summary"]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("command", ONE_MODEL, ids=lambda command: command[0])
def test_what_is_typed_goes_before_what_is_configured(ucseg: Run, command: list[str]) -> None:
    answer = answer_of(ucseg, *command, "v1", "--size", "64x32", "--batch", "2")
    assert inputs(answer) == [[2, 3, 64, 32]]
    assert "v1" in answer["verdict"]["summary"]
    assert "tiny" not in answer["verdict"]["summary"]


@pytest.mark.usefixtures("tiny")
def test_a_variant_of_the_project_s_has_what_its_axes_say(ucseg: Run) -> None:
    assert answer_of(ucseg, "params")["total"] == answer_of(ucseg, "params", WRITTEN)["total"]
    assert answer_of(ucseg, "params")["total"] != answer_of(ucseg, "params", "v2")["total"]
    changed = answer_of(ucseg, "params", "tiny+rates=6,12,18")["total"]
    assert changed == answer_of(ucseg, "params", "v2+backbone=10")["total"]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    "command", [["flops"], ["show"], ["compare", "v1", "tiny"]], ids=lambda command: command[0]
)
def test_operations_are_priced_as_configured_unless_a_convention_is_typed(
    ucseg: Run, command: list[str]
) -> None:
    configured, same, other = (
        answer_of(ucseg, *command, *typed)
        for typed in ([], ["--convention", "torch"], ["--convention", "macs"])
    )
    assert configured["conditions"]["convention"] == "torch"
    assert configured == same
    assert other["conditions"]["convention"] == "macs"
    assert other != configured


@pytest.mark.usefixtures("tiny")
def test_probe_takes_the_default_at_every_configured_size(ucseg: Run) -> None:
    assert inputs(answer_of(ucseg, "probe")) == [[1, 3, 32, 32], [1, 3, 32, 64]]
    assert answer_of(ucseg, "probe") == answer_of(
        ucseg, "probe", "tiny", "--size", "32", "--size", "32x64"
    )
    typed = answer_of(ucseg, "probe", "v1", "v3", "--size", "64")
    assert inputs(typed) == [[1, 3, 64, 64]]
    assert "tiny" not in json.dumps(typed)


@pytest.mark.usefixtures("tiny")
def test_compare_knows_the_project_s_variants_and_its_first_size(ucseg: Run) -> None:
    answer = answer_of(ucseg, "compare", "v2", "tiny")
    assert inputs(answer) == [[1, 3, 32, 32]]
    written = answer_of(ucseg, "compare", "v2", WRITTEN, "--size", "32", "--convention", "torch")
    assert json.loads(json.dumps(written).replace(WRITTEN, "tiny")) == answer
    assert inputs(answer_of(ucseg, "compare", "v2", "tiny", "--size", "64")) == [[1, 3, 64, 64]]


@pytest.mark.usefixtures("tiny")
def test_list_is_at_the_first_configured_size(ucseg: Run) -> None:
    assert inputs(answer_of(ucseg, "list")) == [[1, 3, 32, 32]]
    assert inputs(answer_of(ucseg, "list", "--size", "64")) == [[1, 3, 64, 64]]


@pytest.mark.usefixtures("tiny")
def test_list_names_the_project_s_variants_against_its_baseline(ucseg: Run) -> None:
    answer = answer_of(ucseg, "list")
    assert (answer["baseline"], answer["default"]) == ("v2", "tiny")
    assert [variant["name"] for variant in answer["variants"]] == ["v1", "v2", "v3", "tiny"]
    assert answer["variants"][1]["changes"] == []
    assert [change["axis"] for change in answer["variants"][3]["changes"]] == ["backbone", "rates"]


@pytest.mark.usefixtures("tiny")
def test_check_holds_the_configured_budgets_at_the_configured_sizes(ucseg: Run) -> None:
    answer = answer_of(ucseg, "check")
    small, head = answer["checks"]
    params = answer_of(ucseg, "params", WRITTEN)["total"]["params"]
    assert (small["id"], small["variant"], small["value"], small["max"]) == (
        "small",
        "tiny",
        params,
        650_000,
    )
    assert (head["id"], head["variant"], head["module"]) == ("head", "tiny", "decoder")
    assert head["max"] == head["baseline"] * 102 // 100
    assert [1, 3, 64, 64] in inputs(answer)


@pytest.mark.usefixtures("tiny")
def test_check_holds_what_is_typed_beside_the_configured_budgets(ucseg: Run) -> None:
    assert ucseg("check").returncode == 0
    failed = ucseg("check", "--max", "params=1", "--max", "macs=10G", "-f", "json")
    assert failed.returncode == 1
    checks = json.loads(failed.stdout)["checks"]
    assert [(check["variant"], check["metric"], check["status"]) for check in checks] == [
        ("tiny", "params", "pass"),
        ("tiny", "bytes", "pass"),
        ("tiny", "params", "fail"),
        ("tiny", "macs", "pass"),  # at 32
        ("tiny", "macs", "pass"),  # and at 32x64
    ]


@pytest.mark.usefixtures("tiny")
def test_check_of_a_model_that_no_budget_is_about_is_an_error(ucseg: Run) -> None:
    answer = ucseg("check", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: no budget is about v1\n")


def test_a_budget_that_is_exceeded_fails_the_check(ucseg: Run, tmp_path: Path) -> None:
    path = tmp_path / "ucseg.toml"
    for most, status in ((475_076, 1), (475_077, 0)):  # v1 has 475,077 parameters
        path.write_text(f"[[budgets]]\nid = 'a'\nvariant = 'v1'\nmetric = 'params'\nmax = {most}\n")
        assert ucseg("check").returncode == status


@pytest.mark.usefixtures("tiny")
def test_lint_takes_its_rules_and_its_severity_from_the_configuration(ucseg: Run) -> None:
    def codes(*arguments: str) -> set[str]:
        return {finding["code"] for finding in answer_of(ucseg, "lint", *arguments)["findings"]}

    assert codes() == {"UC104"}
    assert codes("--select", "UC107") == {"UC107"}
    assert codes("--select", "UC10", "--ignore", "UC107") >= {"UC104", "UC108"}
    assert codes("--ignore", "UC104") == {"UC108"}
    assert ucseg("lint").returncode == 1
    assert ucseg("lint", "--exit-zero").returncode == 0
    assert ucseg("lint", "--fail-on", "never").returncode == 0
    assert ucseg("lint", "--fail-on", "error").returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        *(
            ["params"],
            ["flops"],
            ["probe"],
            ["compare", "v1", "v2"],
            ["check", "--max", "params=1M"],
            ["lint"],
        ),
        *(["list"], ["show"], ["memory"], ["reach"], ["verify"], ["lock"], ["config"]),
    ],
    ids=lambda command: command[0],
)
def test_a_mistaken_configuration_ends_every_command_before_anything_is_measured(
    ucseg: Run, fake_engine: list[object], tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "ucseg.toml").write_text("size = true\nfrobnicate = 1\n")
    answer = ucseg(*command)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("error: ") == 2
    assert "  --> ucseg.toml:1  size\n" in answer.stderr
    assert "  --> ucseg.toml:2  frobnicate\n" in answer.stderr
    assert fake_engine == []


@pytest.mark.parametrize(
    "command", [["explain"], ["completion", "bash"], ["cache"], ["--version"], ["params", "--help"]]
)
def test_what_needs_no_configuration_minds_no_mistake_in_it(
    ucseg: Run, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "ucseg.toml").write_text("size = true\n")
    assert ucseg(*command).returncode == 0


def test_the_project_s_variants_are_completed_and_a_broken_configuration_completes_ours(
    tiny: Path,
) -> None:
    assert complete_reference("tin") == ["tiny"]
    assert complete_reference("tiny+conv") == ["tiny+conv=regular", "tiny+conv=separable"]
    tiny.write_text("[tool.ucseg")
    assert complete_reference("") == ["v1", "v2", "v3"]


def test_config_shows_every_setting_with_its_source(
    ucseg: Run, tiny: Path, read_tables: Tables
) -> None:
    answer = ucseg("config", "-f", "markdown")
    assert (answer.returncode, answer.stderr) == (0, "")
    tables = read_tables(answer.stdout)
    assert tables["Settings"][1:] == [
        ["default", "tiny", "pyproject.toml:2"],
        ["baseline", "v2", "pyproject.toml:3"],
        ["size", "32, 32x64", "pyproject.toml:4"],
        ["convention", "torch", "pyproject.toml:5"],
        ["timeout", "300 s", "built in"],
        ["lint.select", "UC104, UC108", "pyproject.toml:29"],
        ["lint.ignore", "UC108", "pyproject.toml:30"],
        ["lint.fail-on", "warning", "pyproject.toml:31"],
    ]
    assert tables["Variants"][1:] == [["tiny", "backbone :10, rates 1,2", "pyproject.toml:7"]]
    assert tables["Budgets"][1:] == [
        ["small", "tiny", "–", "–", "params", "650k", "600000", "pyproject.toml:16"],
        [
            "head",
            "tiny",
            "64",
            "decoder",
            "bytes (float16)",
            "+2% vs baseline",
            "–",
            "pyproject.toml:26",
        ],
    ]
    assert f"{tiny.name} configures 1 variant and 2 budgets; there is no lock." in answer.stdout


@pytest.mark.usefixtures("tiny")
def test_config_on_the_screen_has_the_same_words(ucseg: Run) -> None:
    screen = ucseg("config").stdout
    for words in ("pyproject.toml:2", "32, 32x64", "backbone :10, rates 1,2", "+2% vs baseline"):
        assert words in screen
    assert screen.splitlines()[-1].endswith("configures 1 variant and 2 budgets; there is no lock.")


def test_config_in_json_has_every_value_with_its_source(ucseg: Run, tiny: Path) -> None:
    answer = answer_of(ucseg, "config")
    assert (answer["kind"], answer["path"], answer["lock"]) == ("ucseg.config", tiny.name, None)
    assert answer["settings"][0] == {
        "key": "default",
        "value": "tiny",
        "source": "pyproject.toml:2",
    }
    assert [variant["name"] for variant in answer["variants"]] == ["v1", "v2", "v3", "tiny"]
    assert (
        answer["variants"][3]["axes"] | {"rates": [6, 12, 18], "backbone": 11}
        == answer["variants"][1]["axes"]
    )
    assert answer["budgets"][0] == {
        "id": "small",
        "variants": ["tiny"],
        "module": None,
        "metric": "params",
        "dtype": None,
        "sizes": [],
        "input": [],
        "max": "650k",
        "warn": "600000",
        "message": "it must fit",
        "file": "pyproject.toml",
        "line": 16,
    }
    assert answer["budgets"][1]["sizes"] == ["64"]


def test_where_nothing_is_configured_config_shows_what_is_built_in(
    ucseg: Run, read_tables: Tables
) -> None:
    answer = ucseg("config", "-f", "markdown")
    assert answer.returncode == 0
    tables = read_tables(answer.stdout)
    assert tables.keys() == {"Settings"}
    assert tables["Settings"][1:] == [
        ["default", "v2", "built in"],
        ["baseline", "v1", "built in"],
        ["size", "224", "built in"],
        ["convention", "fvcore", "built in"],
        ["timeout", "300 s", "built in"],
        ["lint.select", "every rule", "built in"],
        ["lint.ignore", "none", "built in"],
        ["lint.fail-on", "never", "built in"],
    ]
    assert "Nothing is configured here" in answer.stdout
    assert answer_of(ucseg, "config")["path"] is None


@pytest.mark.usefixtures("tiny")
def test_config_names_the_lock_beside_the_configuration(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ucseg("lock").returncode == 0
    assert answer_of(ucseg, "config")["lock"] == "ucseg.lock.json"
    (tmp_path / "below").mkdir()
    monkeypatch.chdir("below")
    answer = answer_of(ucseg, "config")
    assert answer["lock"] == f"{tmp_path}/ucseg.lock.json"
    assert answer["settings"][0]["source"] == f"{tmp_path}/pyproject.toml:2"


def test_the_environment_switches_the_project_s_configuration(
    ucseg: Run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.toml").write_text("default = 'v1'\n")
    assert answer_of(ucseg, "config")["path"] == tiny.name
    monkeypatch.setenv("UCSEG_CONFIG", "other.toml")
    assert answer_of(ucseg, "config")["path"] == "other.toml"
    assert answer_of(ucseg, "params")["total"]["params"] == 475_077  # v1
