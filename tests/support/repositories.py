"""Real repositories of git, each commit with a fixed author and date."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FIRST = 1_790_000_000
DAY = 86_400

NET = """
from torch import nn

from blocks import block


class Net(nn.Module):
    def __init__(self, width=4, depth=2):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(*(block(width) for _ in range(depth)))

    def forward(self, image):
        return self.body(self.stem(image))
"""
BLOCKS = """
from torch import nn


def block(width):
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
"""


def params(width: int, depth: int = 2) -> int:
    """The parameters of NET."""
    return width * 27 + width + depth * (width * width * 9 + width)


class Repository(NamedTuple):
    """A repository and its folder."""

    folder: Path

    def git(self, *words: str) -> str:
        """The answer of git."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        made = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=self.folder,
            env=kept | made | self._dates(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _dates(self) -> dict[str, str]:
        counted = self.folder / ".git" / "commits-of-the-test"
        count = int(counted.read_text()) if counted.exists() else 0
        day = f"{FIRST + count * DAY} +0000"
        people = {"NAME": "Ada", "EMAIL": "ada@example.com", "DATE": day}
        return {
            f"GIT_{who}_{key}": text
            for who in ("AUTHOR", "COMMITTER")
            for key, text in people.items()
        }

    def commit(self, subject: str, files: Mapping[str, str | bytes | None]) -> str:
        """Write files, or delete those that are None, and commit all; gives the commit's hash."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        counted = self.folder / ".git" / "commits-of-the-test"
        counted.write_text(str(int(counted.read_text()) + 1 if counted.exists() else 1))
        return self.git("rev-parse", "HEAD").strip()

    def state(self) -> dict[str, str]:
        """All that must not change: files, index, HEAD, stash, worktrees and refs."""
        asked = {
            "status": ("status", "--porcelain", "--ignored"),
            "head": ("rev-parse", "HEAD"),
            "branch": ("symbolic-ref", "HEAD"),
            "stash": ("stash", "list"),
            "worktrees": ("worktree", "list", "--porcelain"),
            "refs": ("for-each-ref",),
        }
        # first, since `git status` may write the index
        files = {path.relative_to(self.folder).as_posix(): _digest(path) for path in self._files()}
        return files | {name: self.git(*words) for name, words in asked.items()}

    def _files(self) -> list[Path]:
        return [path for path in sorted(self.folder.rglob("*")) if path.is_file()]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def new_repository(folder: Path) -> Repository:
    """An empty repository, whose branch is main."""
    folder.mkdir(parents=True, exist_ok=True)
    repository = Repository(folder)
    repository.git("init", "--quiet", "--initial-branch=main")
    return repository


def small_repository(folder: Path) -> Repository:
    """NET with a width of 4 at v1.0, then something else, then with a width of 8, then clean."""
    repository = new_repository(folder)
    repository.commit(
        "Add a network", {"net.py": NET, "blocks.py": BLOCKS, ".gitignore": "__pycache__\n"}
    )
    repository.git("tag", "v1.0")
    repository.commit("Say what it is", {"README": "A network.\n"})
    repository.commit("Double the width", {"net.py": NET.replace("width=4", "width=8")})
    return repository


def make_history(folder: Path) -> Repository:
    """Commits of the ``net.py`` of a page, which grows: v1.0 is the second of them."""
    text = (folder / "net.py").read_text("utf-8")
    (folder / "net.py").unlink()
    repository = new_repository(folder)
    narrow = text.replace("width=24, depth=3", "width=16, depth=2")
    repository.commit("Say what this is", {"README.md": "A network.\n", ".gitignore": ".cache\n"})
    repository.commit("Add a small network", {"net.py": narrow})
    repository.git("tag", "v1.0")
    repository.commit("Widen it", {"net.py": narrow.replace("width=16", "width=24")})
    repository.commit("Say how it is trained", {"README.md": "A network, and its training.\n"})
    repository.commit("Deepen it", {"net.py": text})
    repository.commit("Correct a word", {"README.md": "A network and its training.\n"})
    return repository
