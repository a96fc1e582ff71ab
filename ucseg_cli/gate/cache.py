"""Traces on disk, by a fingerprint of everything they depend on.

A cache that fails costs one warning, never the answer. It is believed only if no other user could
have written to it, and no link in it is followed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar

from ucseg_cli.facts.encoding.encoded_trace import TraceFormatError, decode_trace, encode_trace
from ucseg_cli.facts.trace import Trace
from ucseg_cli.system.atomic_write import replace_file
from ucseg_cli.system.checkout import Dependencies, decode_dependencies
from ucseg_cli.system.plain_file import is_ours, read_plain_file

if TYPE_CHECKING:
    from ucseg_cli.facts.swept import Swept

Totals = Mapping[str, Mapping[str, int]]
"""Metrics by network."""

Entry = TypeVar("Entry")

ENVIRONMENT = "UCSEG_CACHE_DIR"
MAX_ENTRIES = 512
SUFFIXES = {".trace", ".totals", ".space", ".depends"}
LEFTOVER = re.compile(r"\.([0-9a-f]{32}|CACHEDIR\.TAG)\.\w{8}")
"""The names of files that a run was writing when it was killed."""
SURELY_LEFT = 3600
"""No run takes so many seconds to write one."""
TAG = "CACHEDIR.TAG"
TAG_TEXT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Traces kept by ucseg. Safe to delete. https://bford.info/cachedir/\n"
)


def default_directory() -> Path:
    """The directory that the environment names, else the platform's place for caches."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("ucseg", appauthor=False)


def _checksum(path: Path, body: bytes) -> bytes:
    """The checksum of an entry and its name, so that one that was renamed is noticed."""
    return sha256(path.name.encode() + body).hexdigest().encode()


def _read(path: Path) -> bytes:
    """The body of an entry; raises OSError, or TraceFormatError where it was damaged."""
    checksum, _, body = read_plain_file(path, ours=True, follow=False).partition(b"\n")
    if _checksum(path, body) != checksum:
        raise TraceFormatError("its checksum does not match")
    return body


def _decode_totals(data: Any) -> Totals:
    """Totals out of JSON; raises TraceFormatError for anything else."""
    if not isinstance(data, dict) or not all(map(_are_figures, data.values())):
        raise TraceFormatError("it does not hold totals")
    return data


def _decode_all_dependencies(data: Any) -> list[Dependencies]:
    if not isinstance(data, list):
        raise TraceFormatError("it does not hold dependencies")
    return list(map(decode_dependencies, data))


def _decode_swept(data: Any) -> Swept:
    from ucseg_cli.facts.swept import Swept  # few answers are about a space

    columns, reasons = data if isinstance(data, list) and len(data) == 2 else ({}, [])
    is_known = isinstance(columns, dict) and isinstance(reasons, list) and columns
    if not is_known or not all(map(_is_column, columns.values())):
        raise TraceFormatError("it does not hold the figures of a space")
    swept = Swept(columns, {})
    for row in reasons:
        if not (isinstance(row, list) and list(map(type, row)) == [int, str]):
            raise TraceFormatError("it does not hold the figures of a space")
    if {len(column) for column in columns.values()} != {swept.size}:
        raise TraceFormatError("its columns are not equally long")
    return swept._replace(reasons=dict(reasons))


def _is_column(data: Any) -> bool:
    return isinstance(data, list) and set(map(type, data)) <= {int, NoneType}


def _are_figures(data: Any) -> bool:
    return isinstance(data, dict) and all(type(count) is int for count in data.values())


class Cache:
    """A directory of traces. *warn* gets the first failure; after any, the cache seems empty.

    Entries are replaced whole, so any number of processes may fill one cache at once.
    """

    def __init__(self, directory: Path, warn: Callable[[str], None]) -> None:
        self.directory = directory
        self.warn = warn
        self._warned = self._checked = False

    def get(self, key: str) -> Trace | None:
        """The trace kept under *key*, or None."""
        return self._load(self._path(key, "trace"), decode_trace)

    def put(self, key: str, trace: Trace) -> None:
        """Keep a trace under *key*."""
        self._keep(self._path(key, "trace"), encode_trace(trace))

    def get_totals(self, key: str) -> Totals | None:
        """The totals of several networks kept under *key*, or None."""
        return self._load(self._path(key, "totals"), _decode_totals)

    def put_totals(self, key: str, totals: Totals) -> None:
        """Keep the totals of several networks, which are far smaller than their traces."""
        self._keep(self._path(key, "totals"), totals)

    def get_swept(self, key: str) -> Swept | None:
        """The figures of a space kept under *key*, or None."""
        return self._load(self._path(key, "space"), _decode_swept)

    def put_swept(self, key: str, swept: Swept) -> None:
        """Keep the figures of a space."""
        self._keep(self._path(key, "space"), [swept.columns, list(swept.reasons.items())])

    def get_dependencies(self, key: str) -> list[Dependencies]:
        """The dependencies of the models kept under *key*, of the one used last first."""
        return self._load(self._path(key, "depends"), _decode_all_dependencies) or []

    def put_dependencies(self, key: str, known: Sequence[Dependencies]) -> None:
        """Keep what models depend on."""
        self._keep(self._path(key, "depends"), known)

    def _load(self, path: Path, decode: Callable[[Any], Entry]) -> Entry | None:
        try:
            self._refuse_others()
            entry = decode(json.loads(_read(path)))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn_once(f"cannot read {error.filename or path}: {error.strerror}")
            return None
        except (ValueError, RecursionError) as error:
            self._warn_once(f"{path} is damaged and will be replaced: {error}")
            return None
        with suppress(OSError):
            os.utime(path, follow_symlinks=False)  # the entry used last stays longest
        return entry

    def _keep(self, path: Path, data: Any) -> None:
        body = json.dumps(data, separators=(",", ":")).encode()
        try:
            self._make_directory()
            replace_file(path, _checksum(path, body) + b"\n" + body, follow=False)
            self._drop_oldest()
        except OSError as error:
            self._warn_once(f"cannot keep answers in {self.directory}: {error.strerror or error}")

    def entries(self) -> list[tuple[Path, int]]:
        """The entries with their sizes in bytes, oldest use first; none in a directory not ours."""
        files = [(path, status) for path, status in self._files() if path.suffix in SUFFIXES]
        files.sort(key=lambda file: file[1].st_mtime)
        return [(path, status.st_size) for path, status in files]

    def leftovers(self, least_age: float = 0) -> list[tuple[Path, int]]:
        """Half-written files of runs that were killed, at least so many seconds old, with sizes."""
        now = time.time()
        return [
            (path, status.st_size)
            for path, status in self._files()
            if LEFTOVER.fullmatch(path.name) and now - status.st_mtime >= least_age
        ]

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Plain files and links, which are never followed, in both our folders."""
        if not self._is_ours():
            return []
        try:
            self._refuse_others()
            paths = [*self.directory.iterdir(), *self._entry_directory.iterdir()]
            found = [(path, path.lstat()) for path in paths]
        except OSError:
            return []
        return [(path, status) for path, status in found if not stat.S_ISDIR(status.st_mode)]

    def clear(self) -> int:
        """Delete every entry that can be, and what killed runs left; returns how many entries.

        Raises the first OSError, after trying all.
        """
        entries, failures = self.entries(), []
        for path, _ in (*entries, *self.leftovers()):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return len(entries)

    @property
    def _entry_directory(self) -> Path:
        return self.directory / "traces"

    def _path(self, key: str, kind: str) -> Path:
        return self._entry_directory / f"{key}.{kind}"

    def _make_directory(self) -> None:
        """Make it on first use. An unmarked directory with other files in it is not ours."""
        self._refuse_others()
        if not self._is_ours():
            self.directory.mkdir(parents=True, exist_ok=True)
            names = [path.name for path in self.directory.iterdir()]
            foreign = any(not name.startswith(f".{TAG}") for name in names)
            # Another process may have marked it since.
            if foreign and not self._is_ours():
                raise OSError(0, f"it is not a cache of ucseg's; name another with {ENVIRONMENT}")
            replace_file(self.directory / TAG, TAG_TEXT.encode(), follow=False)
        self._entry_directory.mkdir(exist_ok=True)
        self._refuse_others()

    def _refuse_others(self) -> None:
        """Raise OSError where another user could have put an entry, or a link leads elsewhere."""
        if self._checked:
            return
        traces = self._entry_directory
        folders = ((self.directory, self.directory.stat), (traces, traces.lstat))
        for folder, status_of in folders:
            try:
                status = status_of()
            except FileNotFoundError:
                return
            if not stat.S_ISDIR(status.st_mode):
                raise OSError(errno.ENOTDIR, "it is not a folder", str(folder))
            if not is_ours(status):
                raise OSError(errno.EPERM, "another user owns it", str(folder))
            if status.st_mode & stat.S_IWOTH:
                raise OSError(errno.EPERM, "all users may write to it", str(folder))
        self._checked = True

    def _is_ours(self) -> bool:
        """Whether it has our mark: the first file of a new directory, renamed from a hidden one."""
        try:
            return read_plain_file(self.directory / TAG, follow=False) == TAG_TEXT.encode()
        except OSError:
            return False

    def _drop_oldest(self) -> None:
        entries = self.entries()
        oldest = entries[: max(0, len(entries) - MAX_ENTRIES)]
        for path, _ in (*oldest, *self.leftovers(SURELY_LEFT)):
            path.unlink(missing_ok=True)

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            self.warn(message)
