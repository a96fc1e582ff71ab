"""The words that are not written, in everything that a user or a reader sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.words import files, offences

ROOT = Path(__file__).parents[1]
READ = (
    *("ucseg_cli", "tests", "docs"),
    *("README.md", "CONTRIBUTING.md", "Makefile", "action.yml"),
)

CAUGHT = {
    'def f():\n    """What a person sees."""': ["subject first", "user"],
    "# told by name": ["show, report, say, know"],
    "x = 'hold them against the other counters'": ["check, compare"],
    "x = 'held models to their budgets'": ["check against"],
    "x = 'it is no file'": ["is not a"],
    "x = '8 of 9 dead taps'": ["kernel position"],
    "x = '35.8 %'": ["35.8% without a space"],
    "x = f'{share} %'": ["35.8% without a space"],
    "x = 'Edit it if that is meant.'": ["if this is intended"],
    "for each in found: pass": ["a name says the thing"],
    "x = [each for each in found]": ["a name says the thing"],
    "def hold_to(limit): ...": ["a name says the thing"],
    "class A: ...\ndef find_mends(): ...": ["a name says the thing"],
}
LET_THROUGH = (
    "x = 'there is no file'",
    "x = 'a layer is no longer there'",
    "x = 'What is a tap?'",
    "x = 'the high tap is 96×7×7'",
    "x = '%s %d' % (1, 2)",
    "x = 'each row'",
    "held = [tensor]",
)


def test_no_word_or_name_is_written_that_readers_stumble_over() -> None:
    present = [ROOT / name for name in READ if (ROOT / name).exists()]
    assert [line for path in files(present) for line in offences(path)] == []


@pytest.mark.parametrize("text", CAUGHT)
def test_each_kind_is_caught(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.py"
    path.write_text(text, "utf-8")
    found = [line.rpartition(": ")[2] for line in offences(path)]
    assert sorted(found) == sorted(CAUGHT[text])


def test_a_file_s_name_and_its_prose_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "path_utils.md"
    path.write_text("Shapes\n\nnobody knows them\n", "utf-8")
    named, said = offences(path)
    assert named == f"{path}: a file's name says the thing"
    assert said == f"{path}:3: 'nobody': no one, unknown"


@pytest.mark.parametrize("text", LET_THROUGH)
def test_plain_words_are_let_through(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.py"
    path.write_text(text, "utf-8")
    assert offences(path) == []
