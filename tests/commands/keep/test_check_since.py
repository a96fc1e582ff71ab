"""``ucseg check --since``: budgets against the same model at a revision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.repositories import BLOCKS, NET, Repository, new_repository, params

pytestmark = pytest.mark.torch

BUDGETS = """
[variants.tiny]
classes = {}

[[budgets]]
id = "growth"
variant = {}
metric = "params"
vs-baseline = "+10%"
"""


def configured(*variants: str, classes: int = 5) -> str:
    """Budgets of at most 10% more, each with an id of its own."""
    table, budget = BUDGETS.split("\n[[", 1)
    budgets = (
        f"[[{budget}".replace("growth", str(number)).format(f'"{name}"')
        for number, name in enumerate(variants)
    )
    return "\n".join((table.format(classes), *budgets))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = new_repository(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    files = {"net.py": NET, "blocks.py": BLOCKS, "ucseg.toml": configured("net.py:Net")}
    made.commit("one", {**files, ".gitignore": "__pycache__\n"})
    return made


def checks(ucseg: Run, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = ucseg("check", *arguments, "--size", "8", "--format", "json")
    found = json.loads(done.stdout)
    return done.returncode, {check["variant"]: check for check in found["checks"]}


def test_each_model_is_judged_against_itself_as_it_was_and_a_new_one_is_not(
    ucseg: Run, repository: Repository
) -> None:
    code = NET.replace("width=4", "width=8") + "\n\nclass Second(Net):\n    pass\n"
    names = ("net.py:Net", "net.py:Net+width=4", "net.py:Second", "other.py:Net", "tiny", "v2")
    files = {"net.py": code, "other.py": NET, "ucseg.toml": configured(*names, classes=500)}
    repository.commit("two", files)
    status, found = checks(ucseg, "--since", "HEAD~1")
    assert status == 1
    assert {name: check["status"] for name, check in found.items()} == {
        "net.py:Net": "fail",
        "net.py:Net+width=4": "pass",
        "net.py:Second": "new",
        "other.py:Net": "new",
        "tiny": "pass",  # 495 classes more are 32,175 parameters, 5% of it
        "v2": "pass",
    }
    assert found["net.py:Net"]["baseline"] == params(4)
    assert found["net.py:Net"]["value"] == params(8)
    assert (found["other.py:Net"]["limit"], found["other.py:Net"]["new_since"]) == (None, "HEAD~1")
    shown = ucseg("check", "other.py:Net", "--since", "HEAD~1", "--size", "8")
    assert shown.returncode == 0
    assert "other.py:Net is new since HEAD~1, so no limit can be worked out" in " ".join(
        shown.stdout.split()
    )
    assert "0 of 1 limits exceeded, 1 new." in shown.stdout


def test_a_revision_that_there_is_not_is_no_new_model(ucseg: Run, repository: Repository) -> None:
    failed = ucseg("check", "--since", "mian")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "no revision named 'mian'" in failed.stderr
    assert repository.folder.exists()


def test_without_a_relative_budget_it_is_said_to_change_nothing(
    ucseg: Run, repository: Repository
) -> None:
    text = '[[budgets]]\nid = "a"\nvariant = "net.py:Net"\nmetric = "params"\nmax = "1M"\n'
    (repository.folder / "ucseg.toml").write_text(text, encoding="utf-8")
    done = ucseg("check", "--since", "HEAD", "--size", "8")
    assert done.returncode == 0
    assert done.stderr.startswith(
        "warning: --since HEAD changes nothing: no budget that is checked has vs-baseline; write "
    )
