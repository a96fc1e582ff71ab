from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Run = Callable[..., CompletedProcess[str]]


def test_it_tells_where_answers_are_kept_and_how_many(ucseg: Run, cache_directory: Path) -> None:
    assert json.loads(ucseg("cache", "-f", "json").stdout)["entries"] == 0
    ucseg("list")
    answer = json.loads(ucseg("cache", "-f", "json").stdout)
    assert answer["kind"] == "ucseg.cache"
    assert (answer["directory"], answer["entries"], answer["cleared"]) == (str(cache_directory), 3, None)
    assert answer["bytes"] > 1000


def test_telling_makes_no_directory(ucseg: Run, cache_directory: Path) -> None:
    assert ucseg("cache").returncode == 0
    assert not cache_directory.exists()


def test_clear_deletes_every_trace_and_nothing_else(ucseg: Run, cache_directory: Path) -> None:
    ucseg("list")
    bystander = cache_directory / "traces" / "notes.txt"
    bystander.write_text("mine", encoding="utf-8")
    answer = ucseg("cache", "--clear")
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[-1].startswith("3 traces deleted; 0 traces kept in ")
    assert bystander.read_text("utf-8") == "mine"
    assert json.loads(ucseg("cache", "--clear", "-f", "json").stdout)["cleared"] == 0


def test_what_cannot_be_deleted_is_an_error(ucseg: Run, cache_directory: Path) -> None:
    ucseg("params")
    (cache_directory / "traces" / f"{0:064x}.trace").mkdir()
    answer = ucseg("cache", "--clear")
    assert answer.returncode == 2
    assert "cannot be deleted" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_no_cache_keeps_nothing(ucseg: Run, cache_directory: Path) -> None:
    assert ucseg("params", "--no-cache").returncode == 0
    assert not cache_directory.exists()
