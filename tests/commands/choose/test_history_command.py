"""``ucseg history``, on real repositories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.repositories import BLOCKS, NET, Repository, new_repository, params
from ucseg_cli.gate import tracing

pytestmark = pytest.mark.torch


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = new_repository(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    made.commit("Say what it is", {"README": "A network.\n", ".gitignore": "__pycache__\n"})
    return made


def answer(ucseg: Run, *arguments: str) -> Any:
    done = ucseg("history", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def steps(found: Any, metric: str = "params") -> list[tuple[str, int | None, int | None]]:
    return [
        (step["subject"], step["value"], step["delta"])
        for step in found["steps"]
        if step["metric"] == metric
    ]


def test_fifty_commits_with_five_networks_are_five_traces_and_then_none(
    ucseg: Run, repository: Repository, fake_engine: list[tracing.Request]
) -> None:
    for number in range(50):
        width = 4 + number // 10
        files = {"net.py": NET.replace("width=4", f"width={width}"), "blocks.py": BLOCKS}
        repository.commit(f"commit {number}", {**files, "README": f"{number}\n"})
    for _ in range(2):
        found = answer(ucseg, "net.py:Net", "--size", "8")
        assert found["kind"] == "ucseg.history"
        assert (found["commits"], found["end"]) == (50, "begins")
        assert steps(found) == [
            (f"commit {10 * (width - 4)}", params(width), known and params(width) - known)
            for width in (8, 7, 6, 5, 4)
            for known in [params(width - 1) if width > 4 else None]
        ]
        assert len(fake_engine) == 5
    assert len(answer(ucseg, "net.py:Net", "--size", "8", "--max-count", "3")["steps"]) == 2
    shown = ucseg("history", "net.py:Net", "--size", "8", "--max-count", "7").stdout
    assert "Looked at 7 commits; `--max-count 14` goes further back." in shown
    since = answer(ucseg, "net.py:Net", "--size", "8", "--since", "HEAD~15")
    assert (since["commits"], since["end"], len(steps(since))) == (16, "since", 2)
    assert len(fake_engine) == 5


def test_what_cannot_be_built_is_a_row_and_only_first_parents_are_followed(
    ucseg: Run, repository: Repository, fake_engine: list[tracing.Request]
) -> None:
    repository.commit("begin", {"net.py": NET, "blocks.py": BLOCKS})
    repository.commit("break", {"net.py": NET.replace("nn.Conv2d(3", "nn.Nothing(3")})
    for number in range(3):
        repository.commit(f"go on {number}", {"README": f"{number}"})
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("a side", {"net.py": NET.replace("=4", "=9")})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message", "Merge the side", "side")
    found = answer(ucseg, "net.py:Net", "--size", "8", "--no-cache")
    assert steps(found) == [
        ("Merge the side", params(9), params(9) - params(4)),
        ("break", None, None),
        ("begin", params(4), None),
    ]
    (broken,) = [step for step in found["steps"] if step["metric"] == "params" and step["reason"]]
    assert "Nothing" in broken["reason"]
    # those that fail alike are tried once, even without a cache
    assert len(fake_engine) == 3


def test_a_name_of_the_configuration_changes_with_it(ucseg: Run, repository: Repository) -> None:
    table = "[tool.ucseg.variants.tiny]\nclasses = {}\n"
    for classes in (5, 5, 6):
        repository.commit(f"{classes} classes", {"pyproject.toml": table.format(classes)})
    found = answer(ucseg, "tiny", "--size", "32", "--metric", "parameters")
    one = 64 + 1
    assert [(subject, delta) for subject, _, delta in steps(found)] == [
        ("6 classes", one),
        ("5 classes", None),
    ]
    assert (found["commits"], found["end"]) == (3, "begins")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["v2"], "v2 is built into ucseg, and is the same at every revision"),
        (["gone.py:Net"], "there is no file gone.py, so it is not in HEAD"),
        (["net.py:Net", "--since", "nope"], "no revision named 'nope'"),
        (["net.py:Net", "--since=--help"], "'--help' is not a revision"),
        (["net.py:Net", "--metric", "parms"], "no metric named 'parms'"),
        (["torchvision:resnet18"], "no revision of this repository has it"),
    ],
)
def test_a_history_that_there_cannot_be_says_why(
    ucseg: Run, repository: Repository, arguments: list[str], message: str
) -> None:
    repository.commit("begin", {"net.py": NET, "blocks.py": BLOCKS})
    failed = ucseg("history", *arguments)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert message in failed.stderr
