from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Number, Run, Tables
from support.screens import verdict


def test_the_command_of_the_contract_works_exactly_as_written(ucseg: Run) -> None:
    answer = ucseg("params", "--variant", "v2")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "645.2k" in answer.stdout
    assert verdict(answer.stdout).startswith("v2 has 645,245 parameters")


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    answer = json.loads(ucseg("params", "v2", "--format", "json").stdout)
    assert {"kind", "format_version", "tool", "conditions"} <= answer.keys()
    assert answer["kind"] == "ucseg.params"
    assert answer["total"].keys() == {"params", "trainable", "frozen", "buffers", "bytes"}
    assert answer["total"]["trainable"] + answer["total"]["frozen"] == answer["total"]["params"]
    assert all(
        {"path", "type", "params", "trainable"} <= module.keys() for module in answer["modules"]
    )
    assert all(isinstance(module["params"], int) for module in answer["modules"])


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("metric", ["params", "trainable", "frozen", "buffers", "bytes"])
def test_modules_without_those_that_hold_others_add_up_to_the_total(
    ucseg: Run, metric: str, depth: int
) -> None:
    answer = json.loads(ucseg("params", "v3", "-f", "json", "--depth", str(depth)).stdout)
    holders = {module["path"].rpartition(".")[0] for module in answer["modules"]} | {
        module["path"] for module in answer["modules"] if module["own"]
    }
    parts = [
        module for module in answer["modules"] if module["own"] or module["path"] not in holders
    ]
    assert sum(part[metric] for part in parts) == answer["total"][metric]


@pytest.mark.parametrize(
    "options",
    [
        ["--depth", "1"],
        ["--sort", "count"],
        ["--sort", "path"],
        ["--top", "3"],
        ["--top", "1", "--sort", "path"],
        ["--top", "3", "--depth", "4", "--sort", "count"],
        ["--top", "999"],
    ],
    ids=" ".join,
)
def test_every_column_of_figures_adds_up_to_the_printed_total(
    ucseg: Run, read_tables: Tables, number: Number, options: list[str]
) -> None:
    rows = read_tables(ucseg("params", "v2", "--exact", "-f", "markdown", *options).stdout)[
        "Parameters by module"
    ]
    header, *parts, total = rows
    assert total[0] == "total"
    for column in ("parameters", "trainable", "frozen", "buffers", "bytes"):
        at = header.index(column)
        assert sum(number(part[at]) for part in parts) == number(total[at]), column


@pytest.mark.parametrize("depth", ["2", "3", "5"])
def test_in_a_tree_the_children_of_every_row_add_up_to_it(
    ucseg: Run, read_tables: Tables, number: Number, depth: str
) -> None:
    _, *rows, total = read_tables(
        ucseg("params", "v1", "--exact", "-f", "markdown", "-d", depth).stdout
    )["Parameters by module"]
    counts = {path: number(count) for path, _, count, *_ in rows}
    children: dict[str, int] = {}
    for path, count in counts.items():
        parent = (
            path.removesuffix("(own)").strip()
            if path.endswith("(own)")
            else path.rpartition(".")[0]
        )
        children[parent] = children.get(parent, 0) + count
    assert children.pop("") == number(total[2])
    assert children == {parent: counts[parent] for parent in children}


def test_top_names_how_many_are_folded(ucseg: Run) -> None:
    lines = ucseg("params", "v2", "--top", "3", "--sort", "count").stdout.splitlines()
    assert any(line.startswith("17 others") for line in lines)
    paths = [line.split()[0] for line in lines if line.startswith("features.")]
    assert paths == ["features.10", "features.9", "features.5"]


def test_sorted_by_path_modules_stand_in_alphabetical_order(ucseg: Run) -> None:
    rows = ucseg("params", "v2", "--sort", "path", "-f", "csv").stdout.splitlines()[1:]
    paths = [row.split(",")[0] for row in rows]
    assert paths == sorted(paths)


@pytest.mark.parametrize("depth", ["1", "2", "4"])
def test_csv_can_be_summed(ucseg: Run, depth: str) -> None:
    header, *records = ucseg("params", "v2", "-f", "csv", "--depth", depth).stdout.splitlines()
    at = header.split(",").index("params")
    assert sum(int(record.split(",")[at]) for record in records) == 645_245


def test_exact_writes_counts_in_full(ucseg: Run) -> None:
    rounded, exact = (ucseg("params", "v2", *options).stdout for options in ([], ["--exact"]))
    assert "645.2k" in rounded
    assert "294,096" not in rounded
    assert "294,096" in exact
    assert "645.2k" not in exact


def test_parameters_do_not_depend_on_the_size(ucseg: Run) -> None:
    totals = [
        json.loads(ucseg("params", "-f", "json", "--size", size).stdout)["total"]
        for size in ("64", "384x640")
    ]
    assert totals[0] == totals[1]


def test_an_inline_variant_that_changes_nothing_counts_the_same(ucseg: Run) -> None:
    named, inline = (
        json.loads(ucseg("params", model, "-f", "json").stdout)
        for model in ("v1", "v2+backbone=:10+rates=6,12+conv=regular+decoder_blocks=1+dropout=.5")
    )
    assert named["total"] == inline["total"]
    assert named["modules"] == inline["modules"]
    assert inline["model"].startswith("v2+backbone=:10")


def test_one_run_writes_several_forms(ucseg: Run, tmp_path: Path) -> None:
    paths = {name: tmp_path / f"answer.{name}" for name in ("json", "csv", "markdown", "html")}
    exports = [word for name, path in paths.items() for word in (f"--export-{name}", str(path))]
    answer = ucseg("params", "v2", *exports)
    assert answer.returncode == 0
    assert answer.stdout == ucseg("params", "v2").stdout
    assert answer.stderr.splitlines() == [f"wrote: {path}" for path in paths.values()]
    assert json.loads(paths["json"].read_text("utf-8"))["total"]["params"] == 645_245
    assert paths["csv"].read_text("utf-8") == ucseg("params", "v2", "-f", "csv").stdout
    mark, text = paths["markdown"].read_text("utf-8").split("\n\n", 1)
    assert (mark, text) == ("<!-- ucseg.params -->", ucseg("params", "v2", "-f", "markdown").stdout)
    assert paths["html"].read_text("utf-8") == ucseg("params", "v2", "-f", "html").stdout


@pytest.mark.parametrize("name", ["json", "csv", "markdown", "html"])
def test_an_export_to_stdout_is_the_screen(ucseg: Run, name: str) -> None:
    assert (
        ucseg("params", "v2", f"--export-{name}", "-").stdout
        == ucseg("params", "v2", "-f", name).stdout
    )


def test_the_page_stands_alone(ucseg: Run) -> None:
    page = ucseg("params", "v2", "-f", "html").stdout
    assert page.lower().startswith("<!doctype html>")
    assert "645,245" in page or "645.2k" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")  # a name, not asked for
    assert "https://" not in page
