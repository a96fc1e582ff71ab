"""Budgets and a lock of models that take other tensors, or that do not run at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.screens import verdict

pytestmark = pytest.mark.torch

CODE = """
import torch
from torch import nn


class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.conv(x)


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(100, 16), nn.Linear(16, 2)

    def forward(self, ids):
        return self.head(self.embed(ids).mean(1))


class Batch(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 2)

    def forward(self, *, batch, flag):
        return self.head(batch["x"]) if flag else batch["x"]


def example(rows=1):
    return {"batch": {"x": torch.rand(rows, 16)}, "flag": True}


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.embed = nn.Conv2d(3, 8, 3), nn.Embedding(100, 16)

    def forward(self, image, ids):
        return self.conv(image), self.embed(ids)


def Broken():
    raise ValueError("depth 7 is too deep")
"""
IMAGE, TEXT = 3 * 8 * 9 * 62 * 62, 16 * 2


@pytest.fixture(autouse=True)
def _code(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE)


def configure(*budgets: dict[str, object]) -> None:
    lines = []
    for number, keys in enumerate(budgets):
        pairs = {"id": f"b{number}", "metric": "macs", "max": 10**9, **keys}
        lines += ["[[budgets]]", *(f"{key} = {json.dumps(value)}" for key, value in pairs.items())]
    Path("ucseg.toml").write_text("\n".join(lines))


def check(ucseg: Run, *arguments: str) -> tuple[int, dict[str, Any]]:
    answer = ucseg("check", *arguments, "-f", "json")
    return answer.returncode, json.loads(answer.stdout)


def test_a_budget_may_have_an_input_of_its_own(ucseg: Run) -> None:
    configure(
        {"variant": "net.py:Image", "size": 64, "max": IMAGE},
        {"variant": "net.py:Text", "input": "1x16:int64", "max": TEXT},
        {"variant": "net.py:Text", "input": "3x16:int64", "max": 3 * TEXT},
        {"variant": "net.py:Pair", "input": "1x3x64x64,1x16:int64", "max": IMAGE},
        {"variant": "net.py:Image", "input": "2x3x64x64", "max": 2 * IMAGE - 1},
    )
    status, answer = check(ucseg)
    assert status == 1
    assert [one["value"] for one in answer["checks"]] == [IMAGE, TEXT, 3 * TEXT, IMAGE, 2 * IMAGE]
    assert [one["status"] for one in answer["checks"]] == [*["pass"] * 4, "fail"]


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"input": "1x16:int64", "size": 64}, "'size' and 'input' are two inputs"),
        ({"input": "1x16:int65"}, "no dtype named 'int65'"),
        ({"input": "sixteen"}, "'sixteen' is not an input shape"),
        ({"input": 16}, "16 is not text"),
    ],
)
def test_an_input_that_cannot_be_is_an_error_at_its_line(
    ucseg: Run, keys: dict[str, object], what: str
) -> None:
    configure({"variant": "net.py:Text", **keys})
    answer = ucseg("check")
    assert answer.returncode == 2
    assert f"error: {what}" in answer.stderr
    assert "--> ucseg.toml:" in answer.stderr


def test_one_model_that_does_not_run_leaves_the_others_their_verdicts(ucseg: Run) -> None:
    configure(
        {"variant": "v2", "metric": "params", "max": 1},
        {"variant": "net.py:Text"},
        {"variant": "net.py:Broken", "metric": "params"},
        {"variant": "net.py:Image", "size": 64, "max": IMAGE},
        {"variant": "net.py:Text", "metric": "params"},
    )
    status, answer = check(ucseg)
    assert status == 2
    assert [one["status"] for one in answer["checks"]] == ["fail", "error", "error", "pass", "pass"]
    assert answer["verdict"]["status"] == "error"
    assert [answer["verdict"][key] for key in ("passed", "warned", "failed", "unknown")] == [
        2,
        0,
        1,
        2,
    ]
    _, text, broken, *_ = answer["checks"]
    assert text["value"] is text["margin"] is None
    assert text["limit"] == 10**9
    assert text["failure"].startswith("net.py:Text does not run, so it has no macs: ")
    assert "depth 7 is too deep" in broken["failure"]


def test_the_screen_says_of_which_models_there_is_no_verdict_and_why(ucseg: Run) -> None:
    configure({"variant": "v2", "metric": "params"}, {"variant": "net.py:Text"})
    answer = ucseg("check", "--exit-zero")
    assert answer.returncode == 2
    assert verdict(answer.stdout) == (
        "0 of 2 limits exceeded. 1 limit could not be checked, of net.py:Text."
    )
    screen = " ".join(answer.stdout.split())
    assert "✗ error b1 net.py:Text" in screen
    assert 'A key such as input = "1x16:int64" gives it other arguments: several and' in screen


@pytest.mark.parametrize("form", ["junit", "github", "sarif", "comment"])
def test_ci_is_given_the_reason_as_a_failure(ucseg: Run, form: str) -> None:
    configure({"variant": "v2", "metric": "params"}, {"variant": "net.py:Broken"})
    answer = ucseg("check", "-f", form)
    assert answer.returncode == 2
    assert "depth 7 is too deep" in answer.stdout


def test_a_limit_against_a_baseline_that_does_not_run_has_no_value(ucseg: Run) -> None:
    configure(
        {"variant": "net.py:Text", "input": "1x16:int64", "vs-baseline": "+1%", "warn": "0"},
        {"variant": "v2", "metric": "params"},
    )
    text = Path("ucseg.toml").read_text().replace("max = 1000000000\n", "", 1)
    Path("ucseg.toml").write_text(text)
    status, answer = check(ucseg)
    assert status == 2
    first = answer["checks"][0]
    assert (first["status"], first["limit"], first["max"]) == ("error", None, None)
    assert first["failure"].startswith("the network cannot run on this input")


def test_without_a_single_verdict_the_reason_is_an_error(ucseg: Run) -> None:
    configure({"variant": "net.py:Broken"})
    answer = ucseg("check")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "depth 7 is too deep" in answer.stderr


def test_a_model_is_locked_on_other_tensors_and_checked_on_these(ucseg: Run) -> None:
    configure({"variant": "net.py:Image", "size": 64})
    assert ucseg("lock", "net.py:Text", "-i", "1x16:int64").returncode == 0
    assert ucseg("lock", "net.py:Image", "-s", "64").returncode == 0
    lock = json.loads(Path("ucseg.lock.json").read_text())["models"]
    assert lock["net.py:Text"]["sizes"]["1x16:int64"]["total"]["macs"] == TEXT
    assert lock["net.py:Image"]["sizes"]["64"]["total"]["macs"] == IMAGE
    assert ucseg("check", "--locked").returncode == 0
    (code := Path("net.py")).write_text(CODE.replace("16, 2", "16, 3"))
    answer = ucseg("check", "--locked", "-f", "json")
    assert answer.returncode == 1
    drifts = json.loads(answer.stdout)["lock"]["drift"]
    assert {drift["model"] for drift in drifts} == {"net.py:Text"}
    assert "1x16:int64" in {drift["size"] for drift in drifts}
    code.write_text(CODE)
    assert ucseg("lock").returncode == 0
    assert json.loads(Path("ucseg.lock.json").read_text())["models"] == lock


def test_a_tensor_without_a_type_is_not_taken_for_a_size(ucseg: Run) -> None:
    configure({"variant": "net.py:Image", "size": 64})
    assert ucseg("lock", "net.py:Image", "-i", "3x48x64").returncode == 0
    lock = json.loads(Path("ucseg.lock.json").read_text())["models"]
    assert list(lock["net.py:Image"]["sizes"]) == ["3x48x64:float32"]
    assert ucseg("check", "--locked").returncode == 0


def test_two_kinds_of_input_are_one_too_many(ucseg: Run) -> None:
    answer = ucseg("lock", "net.py:Text", "-i", "1x16:int64", "-s", "64")
    assert answer.returncode == 2
    assert "leave --size and --batch out" in answer.stderr
    assert not Path("ucseg.lock.json").exists()


def test_a_budget_may_have_keywords_or_a_function(ucseg: Run) -> None:
    configure(
        {"variant": "net.py:Pair", "input": "ids=1x16:int64,image=1x3x64x64", "max": IMAGE},
        {"variant": "net.py:Batch", "input": "net.py:example", "max": TEXT},
        {"variant": "net.py:Batch", "input": "net.py:example+rows=3", "max": 3 * TEXT - 1},
    )
    status, answer = check(ucseg)
    assert status == 1
    assert [one["value"] for one in answer["checks"]] == [IMAGE, TEXT, 3 * TEXT]
    assert [one["status"] for one in answer["checks"]] == ["pass", "pass", "fail"]
    conditions = answer["conditions"]
    assert conditions["inputs"] == [[1, 16], [1, 3, 64, 64], [1, 16], [3, 16]]
    assert conditions["input_names"] == ["ids", "image", "batch.x", "batch.x"]
    assert conditions["examples"] == ["net.py:example", "net.py:example+rows=3"]
    screen = " ".join(ucseg("check").stdout.split())
    assert "input ids 1×16 int64, image 1×3×64×64, net.py:example (batch.x 1×16)" in screen


@pytest.mark.parametrize("given", ["batch=1x16", "net.py:example", "net.py:example+rows=2"])
def test_a_lock_has_the_input_as_it_was_typed_and_takes_it_again(ucseg: Run, given: str) -> None:
    configure({"variant": "net.py:Image", "size": 64})
    name = "net.py:Batch" if given.startswith("net") else "net.py:Named"
    Path("net.py").write_text(
        CODE + "class Named(Text):\n    forward = lambda self, batch: batch\n"
    )
    assert ucseg("lock", name, "-i", given).returncode == 0
    lock = json.loads(Path("ucseg.lock.json").read_text())["models"]
    (written,) = lock[name]["sizes"]
    assert written.partition(":float32")[0] == given
    checked = ucseg("check", name, "--locked", "-f", "json")
    assert (checked.returncode, json.loads(checked.stdout)["lock"]["drift"]) == (0, [])
    assert ucseg("lock", name).returncode == 0
    assert json.loads(Path("ucseg.lock.json").read_text())["models"] == lock


def test_a_drift_shows_where_what_the_function_returns_has_changed(ucseg: Run) -> None:
    configure({"variant": "net.py:Image", "size": 64})
    assert ucseg("lock", "net.py:Batch", "-i", "net.py:example").returncode == 0
    Path("net.py").write_text(CODE.replace("rows=1", "rows=2"))
    answer = ucseg("check", "net.py:Batch", "--locked")
    assert answer.returncode == 1
    assert "input net.py:example (batch.x 2×16)" in answer.stdout
    assert f"{TEXT} {2 * TEXT}" in " ".join(answer.stdout.split())


@pytest.mark.parametrize("written", ["../other.py:example", "os:system", "/etc/hosts.py:example"])
def test_a_project_s_files_name_only_functions_beneath_their_folder(
    ucseg: Run, written: str
) -> None:
    Path("../other.py").write_text(CODE)
    configure({"variant": "net.py:Batch", "input": written})
    answer = ucseg("check")
    assert answer.returncode == 2
    assert "beneath" in answer.stderr
    assert "--> ucseg.toml:" in answer.stderr
    configure({"variant": "net.py:Batch", "metric": "params"})
    assert ucseg("lock", "net.py:Batch", "-i", "net.py:example").returncode == 0
    lock = Path("ucseg.lock.json")
    lock.write_text(lock.read_text().replace('"net.py:example"', json.dumps(written)))
    locked = ucseg("check", "net.py:Batch", "--locked")
    assert locked.returncode == 2
    assert "beneath" in locked.stderr
    assert "--> ucseg.lock.json:" in locked.stderr


def test_a_function_is_not_locked_under_a_name_that_is_another_file_there(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure({"variant": "net.py:Image", "size": 64})
    Path("below").mkdir()
    Path("below/own.py").write_text(CODE)
    Path("own.py").write_text(CODE)
    monkeypatch.chdir("below")
    answer = ucseg("lock", "net.py:Batch", "-i", "own.py:example")
    assert answer.returncode == 2
    assert "own.py:example is another file" in answer.stderr


def test_the_configuration_shows_the_input_of_a_budget(ucseg: Run) -> None:
    configure(
        {"variant": "net.py:Pair", "input": "1x3x64x64,ids=1x16:int64"},
        {"variant": "net.py:Batch", "input": "net.py:example"},
    )
    shown = ucseg("config").stdout
    assert "1×3×64×64 float32, ids 1×16 int64" in shown
    assert "net.py:example" in shown


@pytest.mark.parametrize("command", ["show", "params", "flops", "memory", "probe", "reach", "lint"])
def test_the_header_of_every_answer_has_the_shapes_that_a_function_returned(
    ucseg: Run, command: str
) -> None:
    answer = ucseg(command, "net.py:Batch", "-i", "net.py:example", "-f", "json")
    assert json.loads(answer.stdout)["conditions"]["inputs"] == [[1, 16]]
    screen = ucseg(command, "net.py:Batch", "-i", "net.py:example").stdout
    assert screen.splitlines()[1].startswith("input net.py:example (batch.x 1×16) · dtype float32")


def test_a_comparison_and_other_counters_run_on_the_same_arguments(ucseg: Run) -> None:
    arguments = ("net.py:Batch", "-i", "net.py:example+rows=2")
    compared = ucseg("compare", "net.py:Batch", *arguments)
    assert "input net.py:example+rows=2 (batch.x 2×16)" in compared.stdout
    assert "is compared with itself: nothing differs" in " ".join(compared.stdout.split())
    verified = ucseg("verify", *arguments)
    assert verified.returncode == 0
    assert "4 counters and ucseg agree" in verified.stdout
    assert "input net.py:example+rows=2 (batch.x 2×16)" in verified.stdout
    reconciled = json.loads(ucseg("flops", *arguments, "--reconcile", "-f", "json").stdout)
    assert reconciled["total"]["macs"] == 2 * TEXT


def test_a_model_that_does_not_run_says_how_to_give_it_other_arguments(ucseg: Run) -> None:
    answer = ucseg("flops", "net.py:Batch", "-i", "flga=1x3")
    assert answer.returncode == 2
    assert "forward(*, batch, flag) takes no 'flga'; did you mean 'flag'?" in answer.stderr
    assert "1x3x224x224,mask=1x224x224:int64" in answer.stderr
    assert "a function of yours that returns the arguments, as in net.py:example" in answer.stderr


def test_a_header_has_no_shapes_of_a_function_for_a_model_that_did_not_run(ucseg: Run) -> None:
    answer = ucseg("params", "net.py:Text", "-i", "net.py:example")
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[1].startswith("input net.py:example · dtype float32")
    assert "forward(ids) takes no 'batch'" in answer.stdout


def test_a_function_stands_alone_without_size_or_batch(ucseg: Run) -> None:
    for more in (("--size", "64"), ("--batch", "2")):
        answer = ucseg("flops", "net.py:Batch", "-i", "net.py:example", *more)
        assert answer.returncode == 2
        assert "the whole shape is given already" in answer.stderr


@pytest.mark.parametrize("at", ["1x16:int64", " 1x16:int64 ", "1X16:int64"])
def test_a_figure_in_a_document_may_be_of_other_tensors(ucseg: Run, at: str) -> None:
    said = f"<!-- ucseg: net.py:Text macs@{at.strip()} -->{TEXT}<!-- /ucseg -->"
    Path("README.md").write_text(said)
    status, answer = check(ucseg, "--docs", "README.md")
    assert status == 0
    assert [one["value"] for one in answer["checks"]] == [TEXT]


def test_types_may_be_left_out_of_the_tensors_of_a_figure(ucseg: Run) -> None:
    Path("README.md").write_text(
        f"<!-- ucseg: net.py:Image macs@1x3x64x64 -->{IMAGE}<!-- /ucseg -->"
    )
    assert check(ucseg, "--docs", "README.md")[0] == 0


def test_a_figure_of_a_model_that_does_not_run_leaves_the_others_their_verdicts(
    ucseg_fork: Run,
) -> None:
    names = ("net.py:Broken params", "net.py:Text macs", "net.py:Image params")
    figures = [f"<!-- ucseg: {name} -->1<!-- /ucseg -->" for name in names]
    Path("README.md").write_text("\n".join(figures))
    answer = ucseg_fork("check", "--docs", "README.md", "--fix")
    assert answer.returncode == 2
    assert verdict(answer.stdout) == (
        "1 figure fixed, in README.md. "
        "2 figures could not be checked, of net.py:Broken, net.py:Text."
    )
    assert "macs@1x16:int64" in answer.stdout
    figures[2] = "<!-- ucseg: net.py:Image params -->224<!-- /ucseg -->"
    assert Path("README.md").read_text() == "\n".join(figures)
    status, found = check(ucseg_fork, "--docs", "README.md", "--exit-zero")
    assert status == 2
    assert [one["status"] for one in found["checks"]] == ["error", "error", "pass"]
    assert found["verdict"]["unknown"] == 2


@pytest.mark.parametrize(
    ("model", "at", "figure"),
    [
        ("Pair", "1x3x64x64,ids=1x16:int64", IMAGE),
        ("Pair", "image=1x3x64x64,ids=1x16:int64", IMAGE),
        ("Batch", "net.py:example", TEXT),
        ("Batch", "net.py:example+rows=3", 3 * TEXT),
    ],
)
def test_a_figure_in_a_document_may_be_of_keywords_or_a_function(
    ucseg: Run, model: str, at: str, figure: int
) -> None:
    Path("README.md").write_text(f"<!-- ucseg: net.py:{model} macs@{at} -->{figure}<!-- /ucseg -->")
    status, answer = check(ucseg, "--docs", "README.md")
    assert status == 0
    assert [one["value"] for one in answer["checks"]] == [figure]


@pytest.mark.parametrize("written", ["../other.py:example", "os:system"])
def test_a_document_names_only_functions_beneath_its_project(ucseg: Run, written: str) -> None:
    Path("../other.py").write_text(CODE)
    Path("README.md").write_text(f"<!-- ucseg: net.py:Batch macs@{written} -->1<!-- /ucseg -->")
    answer = ucseg("check", "--docs", "README.md")
    assert answer.returncode == 2
    assert "beneath" in answer.stderr
    assert "--> README.md:1" in answer.stderr
