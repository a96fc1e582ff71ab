"""The files that a user's code runs on, and which of them its model depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class Checkout(NamedTuple):
    """The files of a repository, as they are in the working tree or as a commit has them.

    Args:
        root: the folder with the files; for a commit one of ours, which is deleted afterwards.
        toplevel: the folder of the user's repository, which is the root for the working tree.
        revision: what the commit was called; None for the working tree.
        left_out: a file with JSON: by path, why a file of the commit is not among the files.
    """

    root: str
    toplevel: str
    revision: str | None = None
    left_out: str | None = None


class Dependencies(NamedTuple):
    """All that decides what a model of a repository is, by paths with slashes below its folder.

    Args:
        files: files that were read or looked for, there or not.
        folders: folders that the user's code listed, which stand for all that is in them.
        names: by folder, the names that an import looked for in it, whether or not it found them.
        releases: the folders in which the installed distributions say what they are.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    names: tuple[tuple[str, tuple[str, ...]], ...]
    releases: tuple[str, ...]

    @property
    def are_installed(self) -> bool:
        """Whether each release is still the installed one."""
        return all(Path(folder).is_dir() for folder in self.releases)


def decode_dependencies(data: Any) -> Dependencies:
    """Dependencies as JSON has them; raises ValueError for anything else."""
    try:
        files, folders, names, releases = data
        found = Dependencies(
            _texts(files),
            _texts(folders),
            tuple((str(folder), _texts(imported)) for folder, imported in names),
            _texts(releases),
        )
    except (TypeError, ValueError) as error:
        raise ValueError("these are not dependencies") from error
    return found


def _texts(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(text, str) for text in data):
        raise ValueError("these are not paths")
    return tuple(data)
