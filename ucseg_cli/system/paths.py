"""How a path is shown."""

from __future__ import annotations

import os
from pathlib import Path


def shown(path: Path) -> str:
    """A path as the user would write it in this folder."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
