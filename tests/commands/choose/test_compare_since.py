"""``ucseg compare --since``: one model against itself, and every configured one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.repositories import BLOCKS, NET, Repository, params, small_repository

pytestmark = pytest.mark.torch

BUDGET = '[[budgets]]\nid = "{name}"\nvariant = "{name}"\nmetric = "params"\nmax = "1M"\n'


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = small_repository(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


def answer(ucseg: Run, *arguments: str) -> Any:
    done = ucseg("compare", *arguments, "--size", "8", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_code_and_arguments_that_both_differ_have_a_share_each(
    ucseg: Run, repository: Repository
) -> None:
    found = answer(ucseg, "net.py:Net@v1.0", "net.py:Net+depth=3")
    shares = {
        effect["axis"]: effect["share"]["numerator"] // effect["share"]["denominator"]
        for row in found["attribution"]
        if row["metric"] == "params"
        for effect in row["effects"]
    }
    both = {(width, depth): params(width, depth) for width in (4, 8) for depth in (2, 3)}
    code = both[8, 2] - both[4, 2] + both[8, 3] - both[4, 3]
    depth = both[4, 3] - both[4, 2] + both[8, 3] - both[8, 2]
    assert {axis: share for axis, share in shares.items() if axis != "width"} == {
        "revision": code // 2,
        "depth": depth // 2,
    }
    axes = {axis["axis"]: (axis["before"], axis["after"]) for axis in found["axes"]}
    assert axes["revision"] == ("v1.0", "now")
    # without arguments the code is the whole change, and no axis of its own
    alone = answer(ucseg, "net.py:Net", "--since", "v1.0")
    assert (alone["attribution"], [axis["axis"] for axis in alone["axes"]]) == ([], ["width"])
    assert repository.folder.exists()


def test_every_configured_model_is_compared_with_itself(ucseg: Run, repository: Repository) -> None:
    names = ("net.py:Net", "net.py:Net+width=4", "other.py:Net", "broken.py:Net")
    tiny = "[variants.tiny]\nclasses = {0}\n[variants.own]\nfrom = 'net.py:Net'\nwidth = {0}\n"
    broken = {"broken.py": NET.replace("nn.Conv2d(3", "nn.Nothing(3")}
    repository.commit("before", {**broken, "ucseg.toml": tiny.format(5)})
    budgets = "".join(BUDGET.format(name=name) for name in names)
    files = {"other.py": NET, "broken.py": NET, "blocks.py": BLOCKS}
    repository.commit("after", {**files, "ucseg.toml": tiny.format(6) + budgets})
    found = answer(ucseg, "--since", "HEAD^1")
    assert found["kind"] == "ucseg.since"
    assert {model["model"]: model["status"] for model in found["models"]} == {
        "tiny": "changed",
        "own": "changed",
        "net.py:Net": "unchanged",
        "net.py:Net+width=4": "unchanged",
        "other.py:Net": "new",
        "broken.py:Net": "error",
    }
    assert found["changed"] == 4
    deltas = {
        (delta["model"], delta["metric"]): (delta["before"], delta["after"])
        for delta in found["deltas"]
    }
    assert deltas["other.py:Net", "params"] == (None, params(4))
    before, after = deltas["tiny", "params"]
    assert after - before == 64 + 1
    assert {model for model, _ in deltas} == {"tiny", "own", "other.py:Net"}
    screen = ucseg("compare", "--since", "HEAD^1", "--size", "8").stdout
    assert "broken.py:Net cannot be compared: Net cannot be built" in " ".join(screen.split())
    assert "Since HEAD^1, 2 changed, 1 new, 1 unknown of 6 configured models." in screen
    same = ucseg("compare", "--since", "HEAD", "--size", "8").stdout
    assert "Since HEAD, nothing changed of 6 configured models." in same


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing argument 'BASE'"),
        (["--since", "main"], "no model of your own is configured"),
        (["v2", "--since", "main"], "v2 is built in"),
        (["net.py:Net@main", "--since", "v1.0"], "'net.py:Net@main' is at a revision already"),
        (["net.py:Net", "v2", "--since", "v1.0"], "--since compares a model with itself"),
        (["net.py:Net", "--since", "--full"], "'--full' is not a revision"),
    ],
)
def test_what_cannot_be_compared_says_what_to_type(
    ucseg: Run, repository: Repository, arguments: list[str], message: str
) -> None:
    failed = ucseg("compare", *arguments)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert message in failed.stderr
    assert repository.folder.exists()
