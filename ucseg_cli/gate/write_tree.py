"""The files of a commit as they are in it, written into a folder of ours.

``git archive`` would leave out what has export-ignore, change what has export-subst, and run filter
programs, so the objects themselves are read. An entry that stands for files elsewhere is left out
by name: a submodule, a pointer of Git LFS, and a link that leads out of the tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ucseg_cli.system.git_objects import FOLDER, LINK, SUBMODULE, Entry, GitObjects

LFS = b"version https://git-lfs.github.com/spec/"
LFS_MOST = 1024
"""No pointer is as long."""
NEVER = {"", ".", "..", ".git"}
"""Names that no honest tree has: they would lead out of ours."""


def write_tree(objects: GitObjects, tree: str, folder: Path) -> dict[str, str]:
    """Write all files of a tree below a new folder; by path, why others are left out."""
    folder.mkdir()
    left_out: dict[str, str] = {}
    links: list[tuple[str, str]] = []
    for path, entry in _walk(objects, tree, ""):
        if entry.mode == FOLDER:
            (folder / path).mkdir()
        elif entry.mode == SUBMODULE:
            (folder / path).mkdir()
            left_out[path] = "is a submodule, whose files are in another repository"
        elif entry.mode == LINK:
            links.append((path, os.fsdecode(objects.contents(entry.id))))
        else:
            contents = objects.contents(entry.id)
            (folder / path).write_bytes(contents)
            if len(contents) < LFS_MOST and contents.startswith(LFS):
                left_out[path] = "is a pointer of Git LFS, whose file is not in the commit"
    # last, so that nothing is written through one
    _write_links(folder, links, left_out)
    return left_out


def _walk(objects: GitObjects, tree: str, above: str) -> Iterator[tuple[str, Entry]]:
    for name, entry in objects.entries(tree).items():
        if name.lower() in NEVER or "/" in name or os.sep in name:
            continue
        path = f"{above}{name}"
        yield path, entry
        if entry.mode == FOLDER:
            yield from _walk(objects, entry.id, f"{path}/")


def _write_links(folder: Path, links: list[tuple[str, str]], left_out: dict[str, str]) -> None:
    for path, target in links:
        with suppress(OSError):
            (folder / path).symlink_to(target)
    inside = f"{os.path.realpath(folder)}{os.sep}"
    for path, target in links:
        # A link may lead out by way of another one, so this is asked of all once they are there.
        is_inside = os.path.realpath(folder / path).startswith(inside)
        if Path(target).is_absolute() or not is_inside:
            left_out[path] = "is a link that leads out of the repository"
    for path, _ in links:
        if path in left_out:
            (folder / path).unlink(missing_ok=True)
