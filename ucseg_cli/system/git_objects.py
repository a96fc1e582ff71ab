"""The objects of a git repository, read by one process of ``git cat-file``.

It reads objects and nothing else, so it runs no hook, filter or pager, fetches nothing and writes
no index. Names go to its stdin, so none can be taken for an option.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ucseg_cli.errors import ResourceError

GIT = ("git", "--no-pager", "-c", "core.fsmonitor=false")
QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",  # or `git status` would write an index
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # known from git 2.44 on; before, no protocol is allowed to fetch
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
}
OF_CONFIGURATION = "GIT_CONFIG_"
"""Variables that are kept, since they may say which repositories are safe."""
FOLDER, LINK, SUBMODULE = "40000", "120000", "160000"
"""Modes of entries; all others are files."""
HEAD = "HEAD"


class Entry(NamedTuple):
    """The thing at a path in a commit."""

    mode: str
    id: str

    @property
    def is_file(self) -> bool:
        """Whether it has contents of its own."""
        return self.mode not in {FOLDER, LINK, SUBMODULE}


class Commit(NamedTuple):
    """A commit: its tree, its parents, when it was made in seconds since 1970, and its subject."""

    id: str
    tree: str
    parents: tuple[str, ...]
    seconds: int
    subject: str


class GitError(Exception):
    """Git refuses the repository, or is damaged; the message is its own."""


class GitObjects:
    """The objects of the repository whose files stand in the folder *root*."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._folders: dict[str, Mapping[str, Entry]] = {}
        self._commits: dict[str, Commit | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def commit(self, revision: str) -> Commit | None:
        """The commit that a revision names; None if it names none, or one that is not here."""
        if revision not in self._commits:
            self._commits[revision] = self._find_commit(revision)
        return self._commits[revision]

    def first_parents(self, newest: Commit, most: int) -> Iterator[Commit]:
        """A commit and those before it, each the first parent of the one after it."""
        commit: Commit | None = newest
        for _ in range(most):
            if commit is None:
                return
            yield commit
            commit = self.commit(commit.parents[0]) if commit.parents else None

    def entries(self, tree: str) -> Mapping[str, Entry]:
        """The entries directly in a tree, by name; none for a tree that is not here."""
        if tree not in self._folders:
            found = self.read(tree)
            contents = found[2] if found is not None and found[1] == "tree" else b""
            self._folders[tree] = dict(_parse_tree(contents, len(tree) // 2))
        return self._folders[tree]

    def find(self, tree: str, path: str) -> Entry | None:
        """The entry at a path with slashes below a tree; the tree itself at an empty one."""
        entry: Entry | None = Entry(FOLDER, tree)
        for name in filter(None, path.split("/")):
            if entry is None or entry.mode != FOLDER:
                return None
            entry = self.entries(entry.id).get(name)
        return entry

    def text(self, tree: str, path: str) -> bytes | None:
        """The contents of the file at a path; None where there is none."""
        entry = self.find(tree, path)
        return self.contents(entry.id) if entry is not None and entry.is_file else None

    def contents(self, blob: str) -> bytes:
        """The contents of a blob; raises GitError for one that is not here."""
        found = self.read(blob)
        if found is None:
            raise GitError(f"the object {blob} is not here, as in a partial clone")
        return found[2]

    def read(self, name: str) -> tuple[str, str, bytes] | None:
        """The id, type and contents of what a name stands for; None for nothing, or for several."""
        if any(sign in name for sign in "\n\r\0"):
            return None
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(os.fsencode(name) + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise self._refused() from error
        header = process.stdout.readline()
        if not header:
            raise self._refused()
        words = header.split()
        if words[-1] in {b"missing", b"ambiguous"} or len(words) != len(("id", "type", "size")):
            return None
        contents = process.stdout.read(int(words[2]))
        process.stdout.read(1)
        return words[0].decode(), words[1].decode(), contents

    def _find_commit(self, revision: str) -> Commit | None:
        # after ":/words" anything would be words
        peeled = revision if revision.startswith(":/") else f"{revision}^{{commit}}"
        found = self.read(peeled)
        return _parse_commit(found[0], found[2]) if found and found[1] == "commit" else None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            pipe = subprocess.PIPE
            try:
                self._process = subprocess.Popen(  # noqa: S603 - no word of it is a user's
                    [*GIT, "cat-file", "--batch"],
                    stdin=pipe,
                    stdout=pipe,
                    stderr=pipe,
                    cwd=self.root,
                    env=git_environment(),
                )
            except FileNotFoundError as error:
                raise no_git() from error
        return self._process

    def _refused(self) -> GitError:
        process = self._running()
        with suppress(OSError, ValueError):
            _, said = process.communicate()
            return GitError(said.decode("utf-8", "replace").strip())
        return GitError("git ended")


def repository_around(folder: Path) -> Path | None:
    """The folder of the repository that *folder* is in, which may be gone; None if it is in none.

    Git is not asked, since an answer from the cache has no time for that.
    """
    folder = Path(os.path.realpath(folder))
    for around in (folder, *folder.parents):
        if os.path.lexists(around / ".git"):
            return around
    return None


def ask_git(root: Path, *words: str) -> str | None:
    """The answer of git to a question; None if it fails. For explaining a failure, never before."""
    try:
        done = subprocess.run(  # noqa: S603 - no word of it is a user's
            [*GIT, *words], cwd=root, env=git_environment(), capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise no_git() from error
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def git_environment() -> dict[str, str]:
    """Ours without what would lead git to another repository or to another place to write."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(OF_CONFIGURATION)
    }
    return kept | QUIET


def no_git() -> ResourceError:
    """The error where git is not installed."""
    return ResourceError("git is not installed, and a revision is read by it", help="install git")


def _parse_tree(contents: bytes, width: int) -> Iterator[tuple[str, Entry]]:
    """The entries of a tree, whose ids are so many bytes wide."""
    at = 0
    while at < len(contents):
        space, end = contents.index(b" ", at), contents.index(b"\0", at)
        mode, name = contents[at:space].decode(), os.fsdecode(contents[space + 1 : end])
        at = end + 1 + width
        yield name, Entry(mode, contents[end + 1 : at].hex())


def _parse_commit(id_: str, contents: bytes) -> Commit:
    header, _, message = contents.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in header.splitlines():
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    made = fields.get("committer", [""])[0].rpartition(">")[2].split()
    subject = next(iter(message.strip().splitlines()), "")
    seconds = int(made[0]) if made and made[0].isdecimal() else 0
    return Commit(id_, fields["tree"][0], tuple(fields.get("parent", ())), seconds, subject)
