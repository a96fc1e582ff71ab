from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from fuzzing.fuzz import Outcome
from fuzzing.sorts import SORTS

FUZZ = Path(__file__).parent / "fuzz.py"
INPUTS = 5
"""As many of each sort; `make fuzz` tries thousands."""


def test_hostile_input_ends_in_an_answer_or_in_an_error_in_our_words() -> None:
    command = [sys.executable, str(FUZZ), "--inputs", str(INPUTS)]
    tried = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (tried.returncode, tried.stderr) == (0, ""), tried.stdout
    for sort in SORTS:
        assert f"{sort}: {INPUTS} inputs, 0 not survived" in tried.stdout


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (0, "fine", None),
        (1, "a limit is exceeded", None),
        (2, "error: no such file", None),
        (3, "", "its status was 3"),
        (-11, "", "its status was -11"),
        (-14, "", "it did not end within 20 s"),
        (2, "error: internal error: KeyError", "it wrote 'internal error'"),
        (0, "Traceback (most recent call last):", "it wrote 'Traceback (most recent call last)'"),
    ],
)
def test_anything_else_is_a_failure(status: int, text: str, why: str | None) -> None:
    assert Outcome(status, text).failure == why


@pytest.mark.parametrize("sort", ["configurations", "command-lines", "checkpoints"])
def test_the_same_seed_gives_the_same_input(sort: str, tmp_path: Path) -> None:
    def make(name: str, seed: str) -> tuple[list[str], dict[str, bytes]]:
        folder = tmp_path / name
        folder.mkdir()
        words = list(SORTS[sort](Random(seed), folder))
        return words, {path.name: path.read_bytes() for path in folder.iterdir()}

    assert make("first", "1:7") == make("second", "1:7") != make("third", "1:8")
