"""The installed distributions that modules come from, by the folders that say what they are."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

AT_START = frozenset(sys.modules)
"""Modules of the interpreter's own start, which no code of a user's has asked for."""
METADATA = (".dist-info", ".egg-info")
CONTENTS = ("RECORD", "top_level.txt", "installed-files.txt")


def installed_releases(is_ours: Callable[[str], bool]) -> tuple[str, ...] | None:
    """The folder of metadata of each distribution that has a module loaded.

    None if a module is of no distribution, and neither of Python's own nor ours.
    """
    paths = sysconfig.get_paths()
    standard = tuple({f"{paths['stdlib']}{os.sep}", f"{paths['platstdlib']}{os.sep}"})
    named = (paths["purelib"], paths["platlib"], *sys.path)
    sites = [site for site in dict.fromkeys(named) if site.endswith("-packages")]
    found: dict[str, set[str]] = {}
    for file in _files():
        site = next((site for site in sites if file.startswith(f"{site}{os.sep}")), None)
        if site is not None:
            inside = file[len(site) + 1 :]
            found.setdefault(site, set()).add(inside.partition(os.sep)[0])
        elif not file.startswith(standard) and not is_ours(file):
            return None
    releases: set[Path] = set()
    for site, names in found.items():
        known = _releases_by_name(Path(site), names)
        if any(not known.get(name) for name in names):
            return None
        releases.update(*known.values())
    return tuple(sorted(map(str, releases)))


def _files() -> Iterator[str]:
    """The files of modules that were loaded after the start."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in AT_START and isinstance(file, str) and os.path.isabs(file):  # noqa: PTH117
            yield file


def _releases_by_name(site: Path, names: set[str]) -> Mapping[str, set[Path]]:
    """By file or folder directly in a site, the distributions that it is of."""
    metadata = [path for path in site.iterdir() if path.name.endswith(METADATA)]
    found: dict[str, set[Path]] = {name: set() for name in names}
    for path in metadata:
        plain = _plain(path.name.partition("-")[0])
        for name in names:
            if _plain(name) == plain:
                found[name].add(path)
    # most are named as their module is; only for the others is it read what a distribution has
    waiting = {name for name, known in found.items() if not known}
    for path in metadata if waiting else ():
        contents = _contents(path)
        for name in waiting:
            if re.search(
                rf"(?m)^(?:\.\./)*{re.escape(name.partition('.')[0])}(?:[/.,]|$)", contents
            ):
                found[name].add(path)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name.removesuffix(".py")).lower()


def _contents(metadata: Path) -> str:
    for name in CONTENTS:
        path = metadata / name
        if path.is_file():
            return path.read_text("utf-8", "replace")
    return ""
