"""Writing a file whole: a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, data: bytes, *, follow: bool = True) -> None:
    """Write beside *path* and rename; the file keeps its mode.

    A link stays a link and its target is replaced, unless *follow* is False: then the link itself
    is. Raises OSError, and then leaves no file behind.
    """
    import tempfile  # a command that writes no file need not import it

    target = path.resolve() if follow else path
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:32]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        kept = follow and target.exists()
        Path(beside).chmod(target.stat().st_mode if kept else 0o666 & ~_umask())
        Path(beside).replace(target)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
