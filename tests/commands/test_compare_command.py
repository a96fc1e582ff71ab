from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]
Tables = Callable[[str], dict[str, list[list[str]]]]
Number = Callable[[str], int]


BY_MODULE = ("Parameters by module", "FLOPs (fvcore) by module")


def test_the_command_of_the_contract_works_exactly_as_written(ucseg: Run) -> None:
    answer = ucseg("compare", "v1", "v2")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("compare v1 → v2\n")


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "--format", "json").stdout)
    assert answer["kind"] == "ucseg.compare"
    assert answer["baseline"] == "v1"
    assert [model["name"] for model in answer["models"]] == ["v1", "v2"]
    assert all("params" in model["total"] for model in answer["models"])
    for delta in answer["deltas"]:
        assert {"metric", "before", "after", "delta"} <= delta.keys()
        assert delta["after"] - delta["before"] == delta["delta"]
    assert {"axis": "backbone", "before": 10, "after": 11}.items() <= answer["axes"][0].items()
    assert answer["modules"]
    assert isinstance(answer["verdict"]["summary"], str)


@pytest.mark.parametrize(
    "options", [(), ("--top", "2"), ("--depth", "1"), ("-d", "4"), ("-c", "torch"), ("--sort", "path", "-n", "1")]
)
@pytest.mark.parametrize("models", [("v2",), ("v2", "v3"), ("v1",), ("v2+rates=1", "v2")])
def test_the_last_line_is_the_verdict_of_the_json(
    ucseg: Run, models: tuple[str, ...], options: tuple[str, ...]
) -> None:
    screen, script = (ucseg("compare", "v1", *models, *options, "-f", form).stdout for form in ("table", "json"))
    assert screen.splitlines()[-1] == json.loads(script)["verdict"]["summary"]


@pytest.mark.parametrize("depth", ["1", "2", "3", "9"])
@pytest.mark.parametrize("options", [(), ("--top", "2"), ("--sort", "path"), ("--top", "1", "--sort", "path")])
def test_every_column_adds_up_to_the_printed_total(
    ucseg: Run, read_tables: Tables, number: Number, options: tuple[str, ...], depth: str
) -> None:
    tables = read_tables(ucseg("compare", "v1", "v2", "v3", *options, "-d", depth, "--exact", "-f", "markdown").stdout)
    for title in BY_MODULE:
        header, *parts, total = tables[title]
        assert total[0] == "total"
        for at, column in enumerate(header):
            if column not in {"module", "Δ %"}:
                assert sum(number(part[at]) for part in parts) == number(total[at]), (title, column)


def test_totals_agree_with_those_of_each_model_alone(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "v3", "-f", "json").stdout)
    for model in answer["models"]:
        alone = json.loads(ucseg("show", model["name"], "-f", "json").stdout)
        assert model["total"] == alone["total"]


@pytest.mark.parametrize("metric", ["params", "fvcore", "macs", "torch"])
@pytest.mark.parametrize("depth", ["1", "2", "4"])
def test_modules_of_the_json_add_up_to_its_deltas(ucseg: Run, metric: str, depth: str) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "v3", "-f", "json", "-d", depth).stdout)
    for total in (each for each in answer["deltas"] if each["metric"] == metric):
        modules = [module[metric] for module in answer["modules"] if module["model"] == total["model"]]
        for side in ("before", "after", "delta"):
            assert sum(module[side] or 0 for module in modules) == total[side]


def test_a_model_compared_with_itself_differs_in_nothing(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg("compare", "v2", "v2", "-f", "markdown").stdout
    tables = read_tables(answer)
    assert [row[0] for row in tables["Parameters by module"][1:]] == ["21 unchanged", "total"]
    assert "12 axes unchanged" in answer
    assert "3 taps unchanged" in answer
    assert "v2 has the same parameters and operations as v2 in every module." in answer


def test_an_inline_variant_that_changes_nothing_is_its_base(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v2", "v2+rates=6,12,18", "-f", "json").stdout)
    assert answer["axes"] == []
    assert {delta["delta"] for delta in answer["deltas"]} == {0}


def test_modules_are_compared_by_role(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg("compare", "v2", "v2+rates=12,18", "-f", "markdown", "--depth", "3").stdout
    paths = {row[0]: row[-1] for row in read_tables(answer)["Parameters by module"]}
    assert paths["aspp.branches[rate 6]"] == "gone"
    assert not any(path.startswith(("aspp.branches[rate 12]", "aspp.branches[image")) for path in paths)


def test_new_and_gone_stand_instead_of_a_percentage_of_zero(ucseg: Run, read_tables: Tables) -> None:
    there = read_tables(ucseg("compare", "v1", "v2", "-f", "markdown").stdout)["Parameters by module"]
    back = read_tables(ucseg("compare", "v2", "v1", "-f", "markdown").stdout)["Parameters by module"]
    assert {row[-1] for row in there if row[0] == "features.10"} == {"new"}
    assert {row[-1] for row in back if row[0] == "features.10"} == {"gone"}


def test_rows_stand_by_absolute_change_or_by_path(ucseg: Run, read_tables: Tables, number: Number) -> None:
    rows = read_tables(ucseg("compare", "v1", "v2", "-f", "markdown", "--exact").stdout)["Parameters by module"][1:-2]
    changes = [abs(number(row[3])) for row in rows]
    assert changes == sorted(changes, reverse=True)
    answer = ucseg("compare", "v1", "v2", "-f", "markdown", "--sort", "path").stdout
    paths = [row[0] for row in read_tables(answer)["Parameters by module"][1:-2]]
    assert paths == sorted(paths)


def test_taps_that_moved_are_shown_before_and_after(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg("compare", "v2", "v2+output_stride=16", "-f", "markdown").stdout
    assert read_tables(answer)["Taps"][1] == ["high", "96×7×7", "32", "96×14×14", "16"]
    assert "2 taps unchanged" in answer


def test_csv_has_totals_and_modules_with_the_unchanged_ones(ucseg: Run) -> None:
    header, *records = ucseg("compare", "v1", "v2", "-f", "csv").stdout.splitlines()
    assert header == "model,scope,name,metric,before,after,delta"
    assert "v2,total,,params,475077,645245,170168" in records
    assert "v2,module,features.0,params,464,464,0" in records
    assert "v2,module,features.10,params,,294096,294096" in records


def test_the_same_model_named_twice_is_compared_once(ucseg: Run) -> None:
    assert ucseg("compare", "v1", "v2", "v2").stdout == ucseg("compare", "v1", "v2").stdout


def test_spaces_around_a_name_do_not_matter(ucseg: Run) -> None:
    assert ucseg("compare", " v1", "v2 ").stdout == ucseg("compare", "v1", "v2").stdout


def test_the_page_shows_both_models_and_the_sentence(ucseg: Run) -> None:
    page = ucseg("compare", "v1", "v2", "-f", "html").stdout
    assert "features.10" in page
    assert "v2 has 35.8 % more parameters than v1" in page.replace("\u00a0", " ")
