"""The state dict of a file that ``torch.save`` wrote: never more than weights are unpickled, and their data is not read."""

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
from ucseg_cli.errors import ModelError, ResourceError, UcsegError
from ucseg_cli.facts.state_dict import DENSE, Entry, StateDict

MOST_PICKLE = 2**30
"""Bytes of a pickle that nobody's tensors need; a small archive can unpack to any number."""

_SAVE_AGAIN = "save a state dict instead: torch.save(model.state_dict(), 'weights.pt')"
_FETCH_AGAIN = "copy or download it again"
_GLOBAL = re.compile(r"GLOBAL (\S+)|unrecognized function (\S+)|[Uu]nsupported class (\S+)")
_REASON = re.compile(r"WeightsUnpickler error:\s*(.+)")


def read_torch_file(path: str, key: str | None) -> StateDict:
    """Names, shapes and types of the tensors at *key*, or of the one state dict that there is."""
    if _begins_as_zip(path):
        _refuse_foreign_zip(path)
    found_at, entries = find_state_dict(_load(path), key, path)
    tensors = {
        name: each
        for name, each in entries.items()
        if isinstance(name, str) and isinstance(each, torch.Tensor)
    }
    return StateDict(
        entries=tuple(_entries(tensors)),
        format="torch",
        key=found_at,
        left_out=tuple(str(name) for name in entries if name not in tensors),
        versioned=bool(getattr(entries, "_metadata", None)),
    )


def _load(path: str) -> Any:
    """What the file holds, its tensors mapped into memory: data is read only where a tensor's making needs it."""
    try:
        return _unpickle(path, mmap=_begins_as_zip(path))
    except UnpicklingError as error:
        raise _refused(path, str(error)) from error
    except MemoryError as error:
        raise _too_large(path) from error
    except Exception as error:  # torch raises whatever a broken file leads it into
        if "unable to mmap" not in str(error):
            raise _too_large(path) if "allocate" in str(error) else _broken(path, error) from error
    return _load_without_memory(path)


def _load_without_memory(path: str) -> Any:
    """The same for a file larger than the memory, which Linux refuses to map; which tensors share memory is lost."""
    try:
        return _unpickle(path, device="meta")
    except UnpicklingError as error:
        raise _refused(path, str(error)) from error
    except Exception as error:
        raise _broken(path, error) from error


def _unpickle(path: str, *, device: str = "cpu", mmap: bool = False) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of old storages and of sparse tensors, which is not the person's concern
        return torch.load(path, map_location=device, weights_only=True, mmap=mmap)


def _entries(tensors: Mapping[str, torch.Tensor]) -> Iterable[Entry]:
    numbers: dict[tuple[int, int], int] = {}
    for name, tensor in tensors.items():
        place = _place(tensor)
        memory = None if place is None else numbers.setdefault(place, len(numbers))
        yield Entry(
            name,
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            memory,
            _layout(tensor),
        )


def _place(tensor: torch.Tensor) -> tuple[int, int] | None:
    """Where the data lies, and how long it is; None for what has none, or several pieces."""
    if tensor.layout is not torch.strided or tensor.is_meta or not tensor.numel():
        return None
    return tensor.data_ptr(), tensor.numel() * tensor.element_size()


def _layout(tensor: torch.Tensor) -> str:
    if tensor.is_quantized:
        return "quantized"
    return (
        str(tensor.layout).removeprefix("torch.") if tensor.layout is not torch.strided else DENSE
    )


def _begins_as_zip(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - as torch does
        return file.read(2) == b"PK"


def _refuse_foreign_zip(path: str) -> None:
    """Raise ModelError for a zip archive that is cut short, or that something else wrote."""
    try:
        with ZipFile(path) as archive:
            sizes = {
                member.filename.rpartition("/")[2]: member.file_size
                for member in archive.infolist()
            }
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"{path} is cut short or damaged: the directory of its archive, which stands at the end, is missing or broken",
            where=path,
            help=_FETCH_AGAIN,
        ) from error
    if "constants.pkl" in sizes:
        raise ModelError(
            f"{path} is a TorchScript archive, which holds a program beside its weights",
            where=path,
            help="save its state dict: torch.save(torch.jit.load(...).state_dict(), 'weights.pt')",
        )
    if "data.pkl" not in sizes:
        raise ModelError(
            f"{path} is a zip archive that torch.save did not write", where=path, help=_SAVE_AGAIN
        )
    if sizes["data.pkl"] > MOST_PICKLE:
        raise ModelError(f"the pickle in {path} unpacks to {sizes['data.pkl']:,} bytes", where=path)


def _refused(path: str, message: str) -> UcsegError:
    """What the guard of torch.load refuses, by its name."""
    named = _GLOBAL.search(message)
    if name := next(filter(None, named.groups())).rstrip(".,") if named else _first_global(path):
        return ModelError(
            f"{path} wants more than weights: unpickling it would call {name}, which is refused",
            where=path,
            notes=(
                "a pickle may run any program as it is read; only tensors and plain containers are let through",
            ),
            help=_SAVE_AGAIN,
        )
    reason = _REASON.search(message)
    return ModelError(
        f"{path} is no file of torch.save's, or a damaged one",
        where=path,
        notes=((f"its pickle is refused: {reason[1].strip()}",) if reason else ()),
        help=_SAVE_AGAIN,
    )


def _first_global(path: str) -> str | None:
    """The first thing that a pickle newer than torch's own would import, read without running it; None where it is none."""
    strings: list[str] = []
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as torch does
            for opcode, argument, _ in genops(file):
                if opcode.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if opcode.name.endswith("UNICODE"):
                    strings.append(str(argument))
    except ValueError:  # no pickle
        pass
    return None


def _broken(path: str, error: Exception) -> UcsegError:
    said = re.split(r"\.\s|\n|``", str(error).strip())[0] or type(error).__name__
    return ModelError(
        f"{path} is cut short or damaged, or no file of torch.save's",
        where=path,
        notes=(f"torch says: {said[:200]}",),
        help=_FETCH_AGAIN,
    )


def _too_large(path: str) -> UcsegError:
    return ResourceError(
        f"the memory is too small for {path}",
        where=path,
        help="torch.save it again with a torch of 1.6 or newer, whose format is read without its data, or as safetensors",
    )
