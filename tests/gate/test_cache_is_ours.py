"""The cache is believed only where no other user could write, and no link in it is followed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.facts.trace import Module, Trace
from ucseg_cli.gate.cache import TAG, Cache

TRACE = Trace(modules=(Module("", "Net"),), tensors=(), storages=(), freed=())
KEY = "0" * 64


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cache(cache_directory: Path, warnings: list[str]) -> Cache:
    """A cache with one trace in it, opened anew."""
    Cache(cache_directory, warn=warnings.append).put(KEY, TRACE)
    return Cache(cache_directory, warn=warnings.append)


@pytest.fixture
def entry(cache: Cache) -> Path:
    (path,) = (cache.directory / "traces").iterdir()
    return path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A file of the user's that has nothing to do with the cache."""
    path = tmp_path / "elsewhere" / f"{KEY}.trace"
    path.parent.mkdir()
    path.write_text("mine", encoding="utf-8")
    return path


def test_an_entry_that_is_a_link_is_replaced_and_its_target_is_not(
    cache: Cache, entry: Path, elsewhere: Path, warnings: list[str]
) -> None:
    entry.unlink()
    entry.symlink_to(elsewhere)
    assert cache.get(KEY) is None
    assert warnings == [f"cannot read {entry}: Too many levels of symbolic links"]
    cache.put(KEY, TRACE)
    assert elsewhere.read_text("utf-8") == "mine"
    assert not entry.is_symlink()
    assert cache.get(KEY) == TRACE


def test_a_link_to_an_entry_of_ours_elsewhere_is_not_believed(
    cache: Cache, entry: Path, elsewhere: Path
) -> None:
    entry.replace(elsewhere)
    entry.symlink_to(elsewhere)
    assert cache.get(KEY) is None


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/full", "loop.trace"])
def test_no_link_keeps_us_waiting_or_is_written_through(
    cache: Cache, entry: Path, target: str
) -> None:
    entry.unlink()
    entry.symlink_to(entry.name if target == "loop.trace" else target)
    assert cache.get(KEY) is None
    cache.put(KEY, TRACE)
    assert Cache(cache.directory, warn=print).get(KEY) == TRACE


def test_clearing_deletes_links_and_not_what_they_lead_to(
    cache: Cache, entry: Path, elsewhere: Path
) -> None:
    entry.with_name(f"{1:064x}.trace").symlink_to(elsewhere)
    assert cache.clear() == 2
    assert elsewhere.read_text("utf-8") == "mine"


def test_a_folder_of_traces_that_is_a_link_is_left_alone(
    cache: Cache, entry: Path, elsewhere: Path, warnings: list[str]
) -> None:
    folder = entry.parent
    entry.unlink()
    folder.rmdir()
    folder.symlink_to(elsewhere.parent)
    assert cache.get(KEY) is None
    assert warnings == [f"cannot read {folder}: it is not a folder"]
    cache.put(KEY, TRACE)
    assert (cache.entries(), cache.clear()) == ([], 0)
    assert [path.read_text("utf-8") for path in elsewhere.parent.iterdir()] == ["mine"]


def test_the_whole_cache_may_lie_behind_a_link_of_the_users(
    cache: Cache, tmp_path: Path, warnings: list[str]
) -> None:
    link = tmp_path / "link"
    link.symlink_to(cache.directory)
    assert Cache(link, warn=warnings.append).get(KEY) == TRACE
    assert warnings == []


@pytest.mark.parametrize("place", [".", "traces"])
def test_a_cache_that_all_may_write_to_is_not_believed(
    cache: Cache, place: str, warnings: list[str]
) -> None:
    folder = cache.directory / place
    folder.chmod(0o777)
    assert cache.get(KEY) is None
    cache.put(KEY, TRACE)
    assert (cache.entries(), cache.clear()) == ([], 0)
    assert warnings == [f"cannot read {folder}: all users may write to it"]
    folder.chmod(0o775)
    assert cache.get(KEY) == TRACE


def test_a_cache_of_another_user_is_not_believed(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    with monkeypatch.context() as context:
        context.setattr(os, "geteuid", lambda: cache.directory.stat().st_uid + 1)
        assert cache.get(KEY) is None
        cache.put(KEY, TRACE)
        assert cache.clear() == 0
    assert warnings == [f"cannot read {cache.directory}: another user owns it"]
    assert cache.get(KEY) == TRACE


def test_an_entry_of_another_user_in_a_folder_of_ours_is_not_believed(
    cache: Cache, entry: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    assert cache.get(KEY) == TRACE
    owner = entry.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert cache.get(KEY) is None
    assert warnings == [f"cannot read {entry}: another user owns it (number {owner})"]


def test_a_sparse_entry_of_twenty_gigabytes_is_not_read(
    cache: Cache, entry: Path, warnings: list[str]
) -> None:
    with entry.open("r+b") as file:
        file.truncate(20 << 30)
    assert cache.get(KEY) is None
    assert warnings == [f"cannot read {entry}: it is larger than 268,435,456 bytes"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path)])
def test_a_mark_that_is_a_pipe_or_a_loop_does_not_keep_us_waiting(
    cache: Cache, make: Callable[[Path], None]
) -> None:
    (cache.directory / TAG).unlink()
    make(cache.directory / TAG)
    assert cache.entries() == []
    cache.put(f"{1:064x}", TRACE)


def test_half_written_files_of_killed_runs_are_counted_and_cleared(
    ucseg: Run, cache: Cache, entry: Path
) -> None:
    left = entry.with_name(f".{entry.name[:32]}.a1b2c3d4")
    left.write_bytes(b"half")
    mark = cache.directory / f".{TAG}.abcd_123"
    mark.write_bytes(b"Sig")
    notes = entry.with_name(".notes.a1b2c3d4")
    notes.write_bytes(b"of the user")
    assert sorted(cache.leftovers()) == [(mark, 3), (left, 4)]
    answer = ucseg("cache", "-f", "csv")
    assert answer.stdout.splitlines()[1].split(",")[1:] == ["1", "2", str(entry.stat().st_size + 7)]
    assert cache.clear() == 1
    assert (left.exists(), mark.exists(), notes.exists()) == (False, False, True)


def test_a_later_run_deletes_those_that_are_an_hour_old(cache: Cache, entry: Path) -> None:
    old, young = (entry.with_name(f".{KEY[:32]}.{end}") for end in ("old_file", "new_file"))
    for path in (old, young):
        path.touch()
    os.utime(old, (0, time.time() - 3601))
    cache.put(f"{1:064x}", TRACE)
    assert (old.exists(), young.exists()) == (False, True)
