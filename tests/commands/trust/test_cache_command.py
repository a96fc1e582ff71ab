from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from support.fixture_types import Run
from support.screens import verdict


def test_it_shows_where_answers_are_kept_and_how_many(ucseg: Run, cache_directory: Path) -> None:
    assert json.loads(ucseg("cache", "-f", "json").stdout)["entries"] == 0
    ucseg("list")
    answer = json.loads(ucseg("cache", "-f", "json").stdout)
    assert answer["kind"] == "ucseg.cache"
    assert (answer["directory"], answer["entries"], answer["cleared"]) == (
        str(cache_directory),
        3,
        None,
    )
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
    assert verdict(answer.stdout).startswith("3 traces deleted; 0 traces kept in ")
    assert bystander.read_text("utf-8") == "mine"
    assert json.loads(ucseg("cache", "--clear", "-f", "json").stdout)["cleared"] == 0


def test_what_cannot_be_deleted_is_an_error_that_names_it_and_all_else_is_deleted(
    ucseg: Run, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("list")
    oldest, *others = sorted(
        (cache_directory / "traces").iterdir(), key=lambda path: path.stat().st_mtime
    )
    assert len(others) == 2
    delete = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == oldest:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        delete(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    answer = ucseg("cache", "--clear")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == (
        "error: not every trace can be deleted: Permission denied\n"
        f"  --> {oldest}\n"
        "   = help: make it yours to delete, or name another cache with UCSEG_CACHE_DIR\n"
    )
    assert list((cache_directory / "traces").iterdir()) == [oldest]


def test_a_directory_in_an_entry_s_place_is_neither_counted_nor_deleted(
    ucseg: Run, cache_directory: Path
) -> None:
    ucseg("params")
    stray = cache_directory / "traces" / f"{0:064x}.trace"
    stray.mkdir()
    assert json.loads(ucseg("cache", "-f", "json").stdout)["entries"] == 1
    answer = ucseg("cache", "--clear")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert verdict(answer.stdout).startswith("1 trace deleted; 0 traces kept in ")
    assert stray.is_dir()


@pytest.mark.parametrize("name", ["n" * 300, "/".join(["n" * 200] * 30)], ids=["name", "path"])
def test_a_cache_whose_path_is_too_long_costs_one_warning(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = ucseg("list").stdout
    monkeypatch.setenv("UCSEG_CACHE_DIR", str(tmp_path / name))
    answer = ucseg("list")
    assert (answer.returncode, answer.stdout) == (0, whole)
    assert answer.stderr.count("warning: ") == 1
    assert "File name too long" in answer.stderr
    assert json.loads(ucseg("cache", "-f", "json").stdout)["entries"] == 0
    assert ucseg("cache", "--clear").returncode == 0


def test_no_cache_keeps_nothing(ucseg: Run, cache_directory: Path) -> None:
    assert ucseg("params", "--no-cache").returncode == 0
    assert not cache_directory.exists()
