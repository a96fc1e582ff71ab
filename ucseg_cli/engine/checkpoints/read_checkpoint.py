"""From a file to a state dict without its data: the format is told by what the file holds, never by its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ucseg_cli.engine.checkpoints.other_formats import describe_text, foreign_format
from ucseg_cli.errors import ModelError, ResourceError, UcsegError, nearest_name
from ucseg_cli.facts.state_dict import StateDict, unwrapped
from ucseg_cli.references.grammar import CHECKPOINTS

HEAD = 512
SAFETENSORS_LENGTH = 8
"""Bytes of the length of a safetensors header, which itself is JSON."""
LONGEST_NAME = 1000


def read_state_dict(path: str, key: str | None = None) -> StateDict:
    """The state dict in the file at *path*, at *key* where there are several; torch is imported for its own files alone.

    Raises ModelError for what is no checkpoint or a broken one, UsageError where several state dicts are in it or none
    has that key, ResourceError where it cannot be read here.
    """
    head = _read_head(Path(path))
    if _is_safetensors(head):
        from ucseg_cli.engine.checkpoints.safetensors_file import read_safetensors

        state = read_safetensors(path, key)
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x80")):
        state = _read_torch_file(path, key)
    else:
        raise _no_checkpoint(path, head)
    return unwrapped(_with_sound_names(state, path))


def _read_torch_file(path: str, key: str | None) -> StateDict:
    try:
        from ucseg_cli.engine.checkpoints.torch_file import read_torch_file
    except ImportError as error:
        raise ResourceError(
            f"torch cannot be imported: {error}", where=path, help="pip install torch"
        ) from error
    return read_torch_file(path, key)


def _read_head(path: Path) -> bytes:
    """The first bytes of a regular file; a pipe or a device, which may have no end, is not even opened."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _is_folder(path)
        if not stat.S_ISREG(mode):
            raise ModelError(
                f"{path} is no regular file", where=str(path), help="name a file that holds weights"
            )
        with path.open("rb") as stream:
            return stream.read(HEAD)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ResourceError(f"{path} cannot be read: {reason}", where=str(path)) from error


def _missing(path: Path) -> UcsegError:
    folder = path.parent
    if not folder.is_dir():
        return ModelError(f"there is no folder {folder}", where=str(path))
    nearest = nearest_name(path.name, _names_in(folder))
    help_ = f"did you mean '{folder / nearest}'?" if nearest else None
    return ModelError(f"there is no file {path}", where=str(path), help=help_)


def _is_folder(path: Path) -> UcsegError:
    inside = next((name for name in sorted(_names_in(path)) if name.endswith(CHECKPOINTS)), None)
    return ModelError(
        f"{path} is a folder",
        where=str(path),
        help=f"name a file in it, as in {path / (inside or 'weights.pt')}",
    )


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def _is_safetensors(head: bytes) -> bool:
    return head[SAFETENSORS_LENGTH : SAFETENSORS_LENGTH + 1] == b"{" and describe_text(head) is None


def _no_checkpoint(path: str, head: bytes) -> UcsegError:
    if not head:
        return ModelError(f"{path} is empty", where=path, help="copy or download it again")
    what, fix = foreign_format(head)
    return ModelError(f"{path} holds no weights: it is {what}", where=path, help=fix)


def _with_sound_names(state: StateDict, path: str) -> StateDict:
    """The same, refused where it is empty or a name is so long that the modules above it alone would fill the memory."""
    if not state.entries:
        raise ModelError(f"{path} holds no tensors", where=path)
    longest = max((entry.name for entry in state.entries), key=len)
    if len(longest) > LONGEST_NAME:
        raise ModelError(
            f"{path} names a tensor in {len(longest):,} letters",
            where=path,
            notes=(f"it begins {longest[:40]}…",),
        )
    return state
