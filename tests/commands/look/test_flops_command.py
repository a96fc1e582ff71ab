from __future__ import annotations

import json

import pytest

from support.fixture_types import Number, Run, Tables

TOTAL = {"fvcore": 141_328_192, "macs": 124_801_216, "torch": 249_602_432}
OPERATORS = "Operations by operator"


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    answer = json.loads(ucseg("flops", "v2", "--format", "json").stdout)
    assert answer["kind"] == "ucseg.flops"
    assert answer["total"].keys() == TOTAL.keys()
    assert answer["total"]["torch"] == 2 * answer["total"]["macs"]
    assert all({"path", *TOTAL} <= module.keys() for module in answer["modules"])
    assert all({"operator", "calls", *TOTAL} <= operator.keys() for operator in answer["operators"])
    assert all(operator.keys() == {"op", "calls"} for operator in answer["uncounted"])


@pytest.mark.parametrize("convention", TOTAL)
def test_modules_and_operators_add_up_to_the_printed_total_under_every_convention(
    ucseg: Run, read_tables: Tables, number: Number, convention: str
) -> None:
    options = ("--exact", "-f", "markdown", "--sort", "count", "-c", convention, "--top", "5")
    tables = read_tables(ucseg("flops", "v2", *options).stdout)
    total = json.loads(ucseg("flops", "v2", "-f", "json").stdout)["total"][convention]
    for title in ("Operations by module", OPERATORS):
        header, *parts, last = tables[title]
        for at, column in enumerate(header):
            if "FLOPs" in column or column in {"MACs", "calls"}:
                assert sum(number(part[at]) for part in parts) == number(last[at]), column
        assert number(last[2]) == total


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_modules_add_up_at_every_depth(ucseg: Run, depth: int) -> None:
    answer = json.loads(ucseg("flops", "v1", "-f", "json", "--depth", str(depth)).stdout)
    top = [
        module
        for module in answer["modules"]
        if "." not in module["path"] and not (module["own"] and module["path"])
    ]
    for convention in TOTAL:
        assert sum(module[convention] for module in top) == answer["total"][convention]


@pytest.mark.parametrize("convention", TOTAL)
def test_operators_of_the_json_add_up_to_the_total(ucseg: Run, convention: str) -> None:
    answer = json.loads(ucseg("flops", "v3", "-f", "json").stdout)
    assert (
        sum(operator[convention] or 0 for operator in answer["operators"])
        == answer["total"][convention]
    )


def test_what_is_not_counted_is_on_the_screen_with_its_calls(
    ucseg: Run, read_tables: Tables
) -> None:
    tables = read_tables(ucseg("flops", "v2", "-f", "markdown").stdout)
    assert ["relu", "27"] in tables["Not counted by fvcore"]
    assert ["batch_norm", "44"] in read_tables(
        ucseg("flops", "v2", "-f", "markdown", "-c", "macs").stdout
    )["Not counted by macs"]


def test_the_header_states_input_and_convention(ucseg: Run) -> None:
    line = ucseg(
        "flops", "v2", "--size", "384x640", "--batch", "2", "-c", "torch"
    ).stdout.splitlines()[1]
    assert "input 2×3×384×640" in line
    assert "dtype float32" in line
    assert "convention torch (2 per multiply-add)" in line


def test_twice_the_batch_is_twice_the_operations(ucseg: Run) -> None:
    one, two = (
        json.loads(ucseg("flops", "-f", "json", "-b", batch).stdout)["total"]
        for batch in ("1", "2")
    )
    assert two == {convention: 2 * count for convention, count in one.items()}


def test_csv_can_be_summed(ucseg: Run) -> None:
    header, *records = ucseg("flops", "v2", "-f", "csv").stdout.splitlines()
    for convention, total in json.loads(ucseg("flops", "v2", "-f", "json").stdout)["total"].items():
        at = header.split(",").index(convention)
        assert sum(int(record.split(",")[at]) for record in records) == total


def test_an_inline_variant_is_counted(ucseg: Run) -> None:
    answer = json.loads(ucseg("flops", "v2+head=before-upsample", "-f", "json").stdout)
    assert answer["total"]["fvcore"] < TOTAL["fvcore"]


def test_reconciled_every_figure_of_another_counter_is_ours_and_its_steps(ucseg: Run) -> None:
    answer = json.loads(ucseg("flops", "v2", "--reconcile", "-f", "json").stdout)
    assert [(row["name"], row["unit"]) for row in answer["reconciliation"]] == [
        ("fvcore", "FLOPs"),
        ("torch", "FLOPs"),
        ("thop", "MACs"),
        ("ptflops", "MACs"),
        ("torchinfo", "mult-adds"),
        ("thop", "parameters"),
        ("ptflops", "parameters"),
        ("torchinfo", "parameters"),
    ]
    for row in answer["reconciliation"]:
        assert row["total"] == row["ours"] + sum(step["count"] for step in row["steps"])
        assert all(step.keys() == {"label", "count"} for step in row["steps"])


def test_reconciled_steps_on_the_screen_add_up_to_the_figure(
    ucseg: Run, read_tables: Tables, number: Number
) -> None:
    tables = read_tables(
        ucseg("flops", "v2", "--reconcile", "--batch", "2", "-f", "markdown").stdout
    )
    figures = {
        row[0]: number(row[1])
        for row in tables["Figures of other tools"][:0:-1]
        if row[2] != "parameters"
    }
    for counter, figure in figures.items():
        *steps, last = [
            number(row[2])
            for row in tables["From our MACs and parameters to theirs"]
            if row[0] == counter
        ]
        assert sum(steps) == last == figure


def test_without_the_option_nothing_is_reconciled(ucseg: Run) -> None:
    assert "thop" not in ucseg("flops", "v2").stdout
    assert "reconciliation" not in json.loads(ucseg("flops", "v2", "-f", "json").stdout)


@pytest.mark.parametrize("form", ["csv", "markdown", "html"])
def test_a_reconciliation_comes_in_every_format(ucseg: Run, form: str) -> None:
    answer = ucseg("flops", "v2", "--reconcile", "-f", form)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert form == "csv" or "134,330,264" in answer.stdout
