"""``ucseg sweep`` over the memory of training steps, and which step that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run

pytestmark = pytest.mark.torch

SPACE = ("v2", "--vary", "backbone=9,10", "--size", "32", "--batch", "4")
ASKED = ("--minimize", "train-memory", "--minimize", "params")
STEPS = [
    (),
    ("--optimizer", "adamw"),
    ("--amp",),
    ("--freeze", "features"),
    ("--checkpoint", "features.*", "--loss", "mean"),
]


def answer_of(ucseg: Run, command: str, *arguments: str) -> dict[str, Any]:
    ended = ucseg(command, *arguments, "-f", "json")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("step", STEPS)
def test_it_is_the_memory_of_the_step_that_was_asked_for(ucseg: Run, step: tuple[str, ...]) -> None:
    found = answer_of(ucseg, "sweep", *SPACE, *ASKED, *step)
    for variant in found["variants"]:
        at = (variant["reference"], *SPACE[3:], "--train", *step)
        alone = answer_of(ucseg, "memory", *at)
        assert variant["metrics"]["train-memory"] == alone["train"]["peak"]
        asked = {**alone["conditions"]["training"], "loss": None}
        known = {**found["conditions"]["training"], "loss": None}
        assert known == asked


def test_the_header_names_the_step_only_where_something_is_of_it(ucseg: Run) -> None:
    shown = ucseg("sweep", *SPACE, *ASKED, "--optimizer", "adamw", "--freeze", "features").stdout
    assert "train-memory of a step AdamW, loss by output, frozen features" in shown
    assert "of a step" not in ucseg("sweep", *SPACE).stdout


def test_options_of_a_step_that_change_nothing_are_refused(ucseg: Run) -> None:
    for step in STEPS[1:]:
        ended = ucseg("sweep", *SPACE, "--minimize", "params", *step)
        assert ended.returncode == 2
        assert "of a training step, which nothing here depends on" in ended.stderr
        assert "--max train-memory=4GB" in ended.stderr


def test_a_budget_is_a_limit_if_it_is_of_the_same_step(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ucseg.toml").write_text(
        '[[budgets]]\nid = "card"\nvariant = "v2"\nmetric = "train-memory"\n'
        'optimizer = "adamw"\nmax = "1GB"\n'
    )
    same = answer_of(ucseg, "sweep", *SPACE, "--budgets", *ASKED, "--optimizer", "adamw")
    assert [limit["budget"] for limit in same["limits"]] == ["card"]
    other = ucseg("sweep", *SPACE, "--budgets", *ASKED)
    said = " ".join(other.stdout.split())
    assert "card is left out: it is of another training step (AdamW, loss by output)" in said


@pytest.mark.parametrize(
    ("options", "help_line"),
    [
        (
            ("--batch", "4", "--freeze", "nothing"),
            "`ucseg memory 'v2+backbone=9' --train` looks at one of them",
        ),
        (("--batch", "1"), "train with --batch 2 or more"),
    ],
)
def test_where_no_step_runs_the_way_out_is_one_of_training(
    ucseg: Run, options: tuple[str, ...], help_line: str
) -> None:
    ended = ucseg("sweep", *SPACE[:5], *ASKED, *options)
    assert ended.returncode == 2
    assert help_line in ended.stderr
