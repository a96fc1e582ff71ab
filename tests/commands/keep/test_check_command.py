from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Run
from support.screens import verdict

V2 = {"params": 645_245, "fvcore": 141_328_192}


def test_it_exits_0_where_every_limit_holds(ucseg: Run) -> None:
    answer = ucseg("check", "v2", "--max", "params=650k", "--max", "fvcore=800M")
    assert answer.returncode == 0
    assert answer.stdout.count("✓ pass") == 2
    assert verdict(answer.stdout) == "0 of 2 limits exceeded."


def test_it_exits_1_where_one_is_exceeded_and_says_by_how_much(ucseg: Run) -> None:
    answer = ucseg("check", "v2", "--max", "params=600k", "--max", "fvcore=800M")
    assert answer.returncode == 1
    assert answer.stderr == ""
    assert verdict(answer.stdout) == (
        "1 of 2 limits exceeded: v2 has 645,245 parameters, 45,245 over its limit of 600,000."
    )


@pytest.mark.parametrize(
    ("limit", "status"), [(V2["params"] - 1, 1), (V2["params"], 0), (V2["params"] + 1, 0)]
)
def test_a_value_equal_to_its_limit_is_within_it(ucseg: Run, limit: int, status: int) -> None:
    assert ucseg("check", "v2", "--max", f"params={limit}").returncode == status


@pytest.mark.parametrize("limit", [V2["params"] - 1, V2["params"] + 1])
def test_value_and_limit_are_written_in_full_where_rounding_would_make_them_look_equal(
    ucseg: Run, limit: int
) -> None:
    row = next(
        line
        for line in ucseg("check", "--max", f"params={limit}").stdout.splitlines()
        if " v2 " in line
    )
    assert f"{limit:,}" in row
    assert "645,245" in row


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "html"])
def test_the_status_never_depends_on_the_format(ucseg: Run, form: str) -> None:
    assert ucseg("check", "v2", "--max", "params=1", "-f", form).returncode == 1
    assert ucseg("check", "v2", "--max", "params=1M", "-f", form).returncode == 0


def test_exit_zero_is_the_one_opt_out_and_changes_nothing_else(ucseg: Run) -> None:
    held, opted_out = (
        ucseg("check", "--max", "params=1"),
        ucseg("check", "--max", "params=1", "--exit-zero"),
    )
    assert (held.returncode, opted_out.returncode) == (1, 0)
    assert held.stdout == opted_out.stdout


def test_exit_zero_does_not_hide_a_mistake(ucseg: Run) -> None:
    assert ucseg("check", "--max", "params=many", "--exit-zero").returncode == 2


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    answer = json.loads(
        ucseg("check", "v2", "--max", "params=600k", "--max", "macs=1G", "--format", "json").stdout
    )
    assert answer["kind"] == "ucseg.check"
    assert answer["verdict"]["status"] == "fail"
    params, macs = answer["checks"]
    assert params == {
        "id": "v2:params<=600000",
        "variant": "v2",
        "module": None,
        "size": None,
        "metric": "params",
        "dtype": None,
        "value": 645_245,
        "written": None,
        "replaced": None,
        "max": 600_000,
        "warn": None,
        "limit": 600_000,
        "baseline": None,
        "new_since": None,
        "margin": -45_245,
        "status": "fail",
        "message": None,
        "failure": None,
        "file": None,
        "line": None,
    }
    assert (macs["id"], macs["status"]) == ("v2@224:macs<=1000000000", "pass")
    assert all(check["margin"] == check["max"] - check["value"] for check in answer["checks"])


def test_several_models_and_sizes_are_judged_each(ucseg: Run) -> None:
    options = ("--max", "params=1M", "--max", "fvcore=1G", "--size", "64", "--size", "96x64")
    answer = json.loads(ucseg("check", "v1", "v2+backbone=10", *options, "-f", "json").stdout)
    assert [(check["variant"], check["size"], check["metric"]) for check in answer["checks"]] == [
        (variant, size, metric)
        for variant in ("v1", "v2+backbone=10")
        for size, metric in ((None, "params"), ("64", "fvcore"), ("96x64", "fvcore"))
    ]
    assert len({check["id"] for check in answer["checks"]}) == 6


def test_without_a_model_the_default_is_judged(ucseg: Run) -> None:
    answer = json.loads(ucseg("check", "--max", "params=1M", "-f", "json").stdout)
    assert [check["variant"] for check in answer["checks"]] == ["v2"]


def test_nothing_to_check_is_an_error_not_a_success(ucseg: Run) -> None:
    answer = ucseg("check", "v2")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "there is nothing to check" in answer.stderr
    assert "--max params=650k" in answer.stderr


@pytest.mark.parametrize(
    "text", ["params=650k", "params=0.65M", "params=650_000", "bytes=2.7MB", "bytes=3MiB"]
)
def test_limits_are_written_as_people_write_quantities(ucseg: Run, text: str) -> None:
    assert ucseg("check", "v2", "-m", text).returncode == 0


def test_csv_has_a_record_for_each_check(ucseg: Run) -> None:
    header, *records = ucseg(
        "check", "v1", "v2", "-m", "params=600k", "-f", "csv"
    ).stdout.splitlines()
    assert header == "status,id,variant,size,module,metric,dtype,value,max,warn,margin,written"
    assert [record.split(",")[:3:2] for record in records] == [["pass", "v1"], ["fail", "v2"]]


def test_a_failed_gate_still_writes_its_exports(ucseg: Run, tmp_path: Path) -> None:
    path = tmp_path / "check.json"
    assert ucseg("check", "--max", "params=1", "--export-json", str(path)).returncode == 1
    assert json.loads(path.read_text("utf-8"))["verdict"]["status"] == "fail"


def test_the_used_share_goes_after_every_column_that_only_says_where(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "52")
    answer = ucseg("check", "v2", "--size", "512", "--max", "params=600000").stdout
    heading = next(line for line in answer.splitlines() if line.startswith("status"))
    assert heading.split() == ["status", "variant", "metric", "value", "limit", "used"]
