"""The package that a Python file is a part of, by the folders around it."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path


def package_of(file: Path) -> tuple[Path, list[str]]:
    """The folder in which the file's package stands, and the names from there to its module.

    ``seg/nets/unet.py`` is ``seg.nets.unet`` if both folders have an ``__init__.py``.
    """
    folder, names = file.resolve().parent, [file.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, names[:-1] if names[-1] == "__init__" and len(names) > 1 else names


def imports_relatively(file: Path) -> bool:
    """Whether it says ``from .layers import …``; False for a file that cannot be read."""
    try:
        return _imports_relatively(file.read_bytes())
    except OSError:
        return False  # importing it shows the mistake


@lru_cache(maxsize=8)
def _imports_relatively(source: bytes) -> bool:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return False  # importing it shows the mistake at its line
    return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(tree))
