"""Reading a file as a state dict without data; its content decides the format, not its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ucseg_cli.engine.checkpoints.other_formats import (
    FETCH_AGAIN,
    SAFETENSORS_LENGTH,
    begins_a_pickle,
    describe_text,
    foreign_folder,
    foreign_format,
    refusal,
)
from ucseg_cli.engine.checkpoints.several_files import (
    INDEX,
    METADATA,
    find_index,
    read_distributed,
    read_shards,
    remark_on_shard,
)
from ucseg_cli.errors import ModelError, ResourceError, UcsegError, nearest_name
from ucseg_cli.facts.state_dict import StateDict
from ucseg_cli.references.grammar import CHECKPOINTS
from ucseg_cli.system.plain_file import dangling_link

HEAD = 512
"""Bytes that show the format of a file; a tar archive has its mark at 257."""
LONGEST_NAME = 1000
"""Letters of a tensor's name; a much longer one has parents enough to fill the memory."""


def read_state_dict(path: str, key: str | None = None) -> StateDict:
    """The state dict in the file at *path*, at *key* if there are several.

    No format needs torch, and nothing that a file names is called. Raises ModelError for a file
    that is not a checkpoint or is broken, UsageError where several state dicts are in it or none
    has that key, ResourceError where it cannot be read here.
    """
    folder = Path(path) if os.path.isdir(path) else None  # noqa: PTH112 - never raises
    if folder and (folder / METADATA).is_file():
        return read_distributed(folder)
    index = find_index(folder) if folder else None
    head = _read_head(index or Path(path))
    if index or path.endswith(INDEX):
        return read_shards(index or Path(path), read_state_dict)
    if _is_safetensors(head):
        from ucseg_cli.engine.checkpoints.safetensors_file import read_safetensors

        state = read_safetensors(path, key)
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or begins_a_pickle(head):
        from ucseg_cli.engine.checkpoints.torch_file import read_torch_file

        state = read_torch_file(path, key)
    else:
        raise _not_a_checkpoint(path, head)
    _refuse_bad_names(state, path)
    return remark_on_shard(path, state)


def _read_head(path: Path) -> bytes:
    """The first bytes of a regular file; a pipe or a device may have no end and is not opened."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _is_folder(path)
        if not stat.S_ISREG(mode):
            help_ = "name a file that holds weights"
            raise ModelError(f"{path} is not a regular file", where=str(path), help=help_)
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
    if link := dangling_link(path):
        fix = "fetch that file, or link to another"
        return ModelError(f"{path} is {link}", where=str(path), help=fix)
    nearest = nearest_name(path.name, _names_in(folder))
    help_ = f"did you mean '{folder / nearest}'?" if nearest else None
    return ModelError(f"there is no file {path}", where=str(path), help=help_)


def _is_folder(path: Path) -> UcsegError:
    names = sorted(_names_in(path))
    inside = next((name for name in names if name.endswith(CHECKPOINTS)), None)
    found = None if inside else foreign_folder(names)
    if found:
        return ModelError(refusal(str(path), found.what), where=str(path), help=found.help)
    help_ = f"name a file in it, as in {path / (inside or 'weights.pt')}"
    return ModelError(f"{path} is a folder", where=str(path), help=help_)


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def _is_safetensors(head: bytes) -> bool:
    return head[SAFETENSORS_LENGTH : SAFETENSORS_LENGTH + 1] == b"{" and describe_text(head) is None


def _not_a_checkpoint(path: str, head: bytes) -> UcsegError:
    if not head:
        return ModelError(f"{path} is empty", where=path, help=FETCH_AGAIN)
    what, fix = foreign_format(path, head)
    return ModelError(refusal(path, what), where=path, help=fix)


def _refuse_bad_names(state: StateDict, path: str) -> None:
    """Raise ModelError where there is no name, or one that is too long."""
    if not state.entries:
        raise ModelError(f"{path} holds no tensors", where=path)
    longest = max((entry.name for entry in state.entries), key=len)
    if len(longest) > LONGEST_NAME:
        what = f"{path} has a tensor whose name has {len(longest):,} letters"
        raise ModelError(what, where=path, notes=(f"it begins {longest[:40]}…",))
