"""Reading the state dict of a file of ``torch.save``; only weights are unpickled, without data."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from pickle import UnpicklingError
from pickletools import genops
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from ucseg_cli.engine.checkpoints.nested_state_dict import find_state_dict
from ucseg_cli.engine.checkpoints.other_formats import FETCH_AGAIN
from ucseg_cli.errors import ModelError, ResourceError, UcsegError
from ucseg_cli.facts.state_dict import DENSE, Entry, StateDict

MOST_PICKLE = 2**30
"""Bytes of a pickle, far more than any tensors need; a small archive can unpack to any number."""

_SAVE_AGAIN = "save a state dict instead: torch.save(model.state_dict(), 'weights.pt')"
_GLOBAL = re.compile(r"GLOBAL (\S+)|unrecognized function (\S+)|[Uu]nsupported class (\S+)")
_REASON = re.compile(r"WeightsUnpickler error:\s*(.+)")


def read_torch_file(path: str, key: str | None) -> StateDict:
    """Names, shapes and types of the tensors at *key*, or of the one state dict that there is."""
    is_zip = _begins_as_zip(path)
    if is_zip:
        _refuse_foreign_zip(path)
    found_at, entries = find_state_dict(_load(path, is_zip=is_zip), key, path)
    named = ((name, value) for name, value in entries.items() if isinstance(name, str))
    tensors = {name: value for name, value in named if isinstance(value, torch.Tensor)}
    return StateDict(
        entries=tuple(_entries(tensors)),
        format="torch",
        key=found_at,
        left_out=tuple(str(name) for name in entries if name not in tensors),
        versioned=bool(getattr(entries, "_metadata", None)),
    )


def _load(path: str, *, is_zip: bool) -> Any:
    """Its content, mapped into memory: data is read only if making a tensor needs it."""
    try:
        return _unpickle(path, mmap=is_zip)
    except Exception as error:  # torch raises anything for a broken file
        if "unable to mmap" not in str(error):
            raise _load_error(path, error) from error
    # Linux refuses to map a file larger than the memory. On meta, what shares memory is lost.
    try:
        return _unpickle(path, device="meta")
    except Exception as error:
        raise _load_error(path, error) from error


def _unpickle(path: str, *, device: str = "cpu", mmap: bool = False) -> Any:
    with warnings.catch_warnings():
        # torch warns of old storages and sparse tensors, about which a user can do nothing here.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location=device, weights_only=True, mmap=mmap)


def _entries(tensors: Mapping[str, torch.Tensor]) -> Iterable[Entry]:
    numbers: dict[tuple[int, int], int] = {}
    for name, tensor in tensors.items():
        place = _place(tensor)
        memory = None if place is None else numbers.setdefault(place, len(numbers))
        dtype = str(tensor.dtype).removeprefix("torch.")
        yield Entry(name, tuple(tensor.shape), dtype, memory, _layout(tensor))


def _place(tensor: torch.Tensor) -> tuple[int, int] | None:
    """The address and length of its data; None if it has no data, or several pieces."""
    if tensor.layout is not torch.strided or tensor.is_meta or not tensor.numel():
        return None
    return tensor.data_ptr(), tensor.numel() * tensor.element_size()


def _layout(tensor: torch.Tensor) -> str:
    if tensor.is_quantized:
        return "quantized"
    strided = tensor.layout is torch.strided
    return DENSE if strided else str(tensor.layout).removeprefix("torch.")


def _begins_as_zip(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - as torch does
        return file.read(2) == b"PK"


def _refuse_foreign_zip(path: str) -> None:
    """Raise ModelError for a zip archive that is cut short, or that another program wrote."""
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        what = f"{path} is cut short or damaged: the directory at the end of its archive is broken"
        raise ModelError(what, where=path, help=FETCH_AGAIN) from error
    sizes = {member.filename.rpartition("/")[2]: member.file_size for member in members}
    if "constants.pkl" in sizes:
        raise ModelError(
            f"{path} is a TorchScript archive, which holds a program beside its weights",
            where=path,
            help="save its state dict: torch.save(torch.jit.load(...).state_dict(), 'weights.pt')",
        )
    if "data.pkl" not in sizes:
        what = f"{path} is a zip archive that torch.save did not write"
        raise ModelError(what, where=path, help=_SAVE_AGAIN)
    if sizes["data.pkl"] > MOST_PICKLE:
        what = f"the pickle in {path} unpacks to {sizes['data.pkl']:,} bytes"
        raise ModelError(what, where=path, help=_SAVE_AGAIN)


def _load_error(path: str, error: Exception) -> UcsegError:
    if isinstance(error, UnpicklingError):
        return _refused(path, str(error))
    if isinstance(error, MemoryError) or "allocate" in str(error):
        save_again = "torch.save it again with torch 1.6 or newer, or save it as safetensors"
        return ResourceError(
            f"the memory is too small for {path}",
            where=path,
            notes=("a file of an older torch cannot be read without its data",),
            help=save_again,
        )
    reason = re.split(r"\.\s|\n|``", str(error).strip())[0] or type(error).__name__
    return ModelError(
        f"{path} is cut short or damaged, or not a file of torch.save",
        where=path,
        notes=(f"torch says: {reason[:200]}",),
        help=FETCH_AGAIN,
    )


def _refused(path: str, message: str) -> UcsegError:
    """The error for a pickle that torch.load refuses, with the name of what it would call."""
    named = _GLOBAL.search(message)
    if name := next(filter(None, named.groups())).rstrip(".,") if named else _first_global(path):
        return ModelError(
            f"{path} needs more than weights: unpickling it would call {name}, which is refused",
            where=path,
            notes=("a pickle may run any program; only tensors and plain containers are read",),
            help=_SAVE_AGAIN,
        )
    reason = _REASON.search(message)
    return ModelError(
        f"{path} is not a file of torch.save, or is damaged",
        where=path,
        notes=((f"its pickle is refused: {reason[1].strip()}",) if reason else ()),
        help=_SAVE_AGAIN,
    )


def _first_global(path: str) -> str | None:
    """The first import of a pickle newer than torch's own, read without running it, or None."""
    strings: list[str] = []
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as torch does
            for opcode, argument, _ in genops(file):
                if opcode.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if opcode.name.endswith("UNICODE"):
                    strings.append(str(argument))
    except ValueError:  # not a pickle
        pass
    return None
