"""The state dict of a file of ``torch.save``, or of a pickle: names and shapes, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BufferedReader
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple
from zipfile import ZipFile

from ucseg_cli.engine.checkpoints.locate_values import (
    Places,
    places_after_pickles,
    places_in_archive,
)
from ucseg_cli.engine.checkpoints.nested_state_dict import find_state_dict
from ucseg_cli.engine.checkpoints.numpy_archive import is_numpy_archive, read_numpy_archive
from ucseg_cli.engine.checkpoints.other_formats import FETCH_AGAIN, SAVE_KERAS, refusal
from ucseg_cli.engine.checkpoints.pickled_values import (
    LENGTH_OF_STORAGE,
    CutShortError,
    Pickle,
)
from ucseg_cli.engine.checkpoints.rebuilt_values import (
    LONGEST_SHOWN,
    Placeholder,
    StoredTensor,
    tensor_in,
)
from ucseg_cli.engine.checkpoints.zip_members import member_sizes
from ucseg_cli.errors import ModelError, UcsegError, shortened
from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.state_dict import Entry, StateDict

MOST_PICKLE = 2**30
"""Bytes of a pickle, far more than any tensors need; a small archive can unpack to any number."""
MAGIC = 0x1950A86A20F9469CFC6C
"""The first value in a file that torch saved before 1.6."""
PACKED = "_packed_params"
"""The entry of a quantized linear layer that holds its weight and bias in one value."""
SCRIPT_OBJECT = "torch.ScriptObject"
"""An object of torch's own C++, in which recurrent and lazily quantized layers pack theirs."""
KERAS = "model.weights.h5"
"""The member of a Keras archive that holds weights."""

LONGEST_REASON = 200
"""Letters of what was wrong in a damaged file, which may quote it."""
LONGEST_ORDER = 16
"""Bytes of a word, ``little`` or ``big``."""

_SAVE_AGAIN = "save a state dict instead: torch.save(model.state_dict(), 'weights.pt')"


def read_torch_file(path: str, key: str | None) -> StateDict:
    """Names, shapes and types of the tensors at *key*, or of the one state dict that there is.

    Nothing that the file names is imported or called, whatever it holds beside tensors.
    """
    with Path(path).open("rb") as file:
        is_zip = file.read(2) == b"PK"
    read = _read_archive(path) if is_zip else _read_old(path)
    if isinstance(read, StateDict):
        return read
    value, is_text, places = read
    found_at, entries = find_state_dict(value, key, path)
    named = {name: one for name, one in entries.items() if isinstance(name, str)}
    found = tuple(_entries(named, places))
    known = {entry.packed_in or entry.name for entry in found}
    packed = {name for name, one in named.items() if _is_packed(name, one)}
    return StateDict(
        entries=found,
        format="torch",
        key=found_at,
        left_out=tuple(str(name) for name in entries if name not in known),
        packed=frozenset(packed - known),
        versioned=frozenset(getattr(entries, "versioned", ())),
        remarks=tuple(_remarks(value, found, is_text=is_text)),
    )


class _Read(NamedTuple):
    """The value of a file, whether it is text, and where its data is."""

    value: Any
    is_text: bool
    places: Places


def _read_archive(path: str) -> _Read | StateDict:
    """The value in an archive of torch, or the arrays in one of numpy."""
    writer = "torch.save"
    try:
        with ZipFile(path) as archive:
            sizes = member_sizes(archive, Path(path).stat().st_size)
            if is_numpy_archive(sizes):
                writer = "NumPy"
                return read_numpy_archive(archive, sizes, path)
            name = _refuse_foreign_members(path, sizes)
            with archive.open(name) as file:
                data = Pickle(BufferedReader(file), sizes[name])  # type: ignore[type-var]
                value = data.read()
            order = _read_order(archive, f"{name.removesuffix('data.pkl')}byteorder")
    except UcsegError:
        raise
    except UnpicklingError as error:
        raise _refused(path, error) from error
    except Exception as error:  # a damaged archive or pickle raises anything
        raise _damaged(path, error, writer) from error
    _refuse_missing_data(path, data, sizes, name.removesuffix("data.pkl"))
    return _Read(value, data.is_text, places_in_archive(path, name, sizes, order))


def _read_order(archive: ZipFile, name: str) -> bytes | None:
    """The order of bytes that an archive names; None if it names none."""
    if name not in archive.namelist():
        return None
    with archive.open(name) as file:
        return file.read(LONGEST_ORDER)


def _refuse_foreign_members(path: str, members: Mapping[str, int]) -> str:
    """The name of the pickle; raises ModelError for an archive that another program wrote."""
    sizes = {name.rpartition("/")[2]: size for name, size in members.items()}
    if "constants.pkl" in sizes:
        raise ModelError(
            f"{path} is a TorchScript archive, which holds a program beside its weights",
            where=path,
            help="save its state dict: torch.save(torch.jit.load(...).state_dict(), 'weights.pt')",
        )
    if "archive_format" in sizes or "serialized_exported_program.json" in sizes:
        raise ModelError(
            f"{path} is a program of torch.export, which holds its weights in pieces",
            where=path,
            help="save its state dict: torch.save(torch.export.load(...).state_dict, 'weights.pt')",
        )
    if KERAS in sizes:
        raise ModelError(refusal(path, "a Keras file"), where=path, help=SAVE_KERAS)
    if "data.pkl" not in sizes:
        what = f"{path} is a zip archive that torch.save did not write"
        raise ModelError(what, where=path, help=_SAVE_AGAIN)
    if sizes["data.pkl"] > MOST_PICKLE:
        what = f"the pickle in {path} unpacks to {sizes['data.pkl']:,} bytes"
        raise ModelError(what, where=path, help=_SAVE_AGAIN)
    return next(name for name in members if name.rpartition("/")[2] == "data.pkl")


def _refuse_missing_data(path: str, data: Pickle, sizes: Mapping[str, int], root: str) -> None:
    """Raise ModelError where a tensor's data is not there, or not as long as it should be."""
    for key, storage in data.storages.items():
        there = sizes.get(f"{root}data/{key}")
        expected = storage.length * BITS.get(storage.dtype, 0) // 8
        if there is None or there < expected:
            size = "missing" if there is None else f"{there:,} bytes long"
            reason = f"the data of a tensor should have {expected:,} bytes, and is {size}"
            raise _damaged(path, UnpicklingError(reason))


def _read_old(path: str) -> _Read:
    """The value of a file before torch 1.6, or of a plain pickle."""
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            data = Pickle(file, size)
            value = data.read()
            if value != MAGIC:
                return _Read(value, data.is_text, Places(path, None, {}))
            data.read()  # the protocol's version
            machine = data.read()
            value = data.read()
            keys = data.read()
            start = file.tell()
    except UnpicklingError as error:
        raise _refused(path, error) from error
    except Exception as error:  # damage raises anything
        raise _damaged(path, error) from error
    expected = 0
    for key in keys:
        storage = data.storages.get(key)
        bits = storage.length * BITS.get(storage.dtype, 0) if storage else 0
        expected += LENGTH_OF_STORAGE + bits // 8
    if size - start < expected:
        reason = f"the data of its tensors should have {expected:,} bytes, and has {size - start:,}"
        raise _damaged(path, UnpicklingError(reason))
    is_big = isinstance(machine, Mapping) and machine.get("little_endian") is False
    places = places_after_pickles(path, start, keys, data.dtypes, ">" if is_big else "<")
    return _Read(value, data.is_text, places)


def _tensors(named: Mapping[str, Any]) -> Iterable[tuple[str, str | None, StoredTensor]]:
    """The tensors by name; a packed weight and bias are two, with the name of what holds them."""
    for name, value in named.items():
        tensor = tensor_in(value)
        if tensor is not None:
            yield name, None, tensor
        elif _is_packed(name, value):
            outer, is_linear = name.removesuffix(PACKED), name.endswith(PACKED)
            for place, inner in enumerate(_tensors_inside(value)):
                names = (f"{outer}weight", f"{outer}bias") if is_linear else ()
                yield (*names, f"{name}[{place}]")[min(place, len(names))], name, inner


def _is_packed(name: str, value: Any) -> bool:
    """Whether it holds weights of a quantized layer in a form of its own."""
    is_object = isinstance(value, Placeholder) and value.name == SCRIPT_OBJECT
    return is_object or (name.rpartition(".")[2] == PACKED and tensor_in(value) is None)


def _tensors_inside(value: Any) -> list[StoredTensor]:
    """Every tensor once that an object was to be made of; a recurrent layer gives biases twice."""
    found: dict[object, StoredTensor] = {}
    waiting, seen = [value], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if tensor := tensor_in(part):
            found.setdefault(tensor.memory or id(part), tensor)
        elif isinstance(part, Placeholder):
            waiting += [part.state, *reversed(part.arguments)]
        elif isinstance(part, tuple | list):
            waiting += reversed(part)
    return list(found.values())


def _entries(named: Mapping[str, Any], places: Places) -> Iterable[Entry]:
    numbers: dict[object, int] = {}
    for name, packed_in, tensor in _tensors(named):
        memory = None
        if tensor.memory is not None:
            memory = numbers.setdefault(tensor.memory, len(numbers))
        values = places.values(tensor.held)
        yield Entry(name, tensor.shape, tensor.dtype, memory, tensor.layout, packed_in, values)


def _remarks(value: Any, entries: Iterable[Entry], *, is_text: bool) -> Iterable[str]:
    if isinstance(value, Placeholder):
        name = shortened(value.name, LONGEST_SHOWN)
        yield f"The file holds a whole {name}: only its tensors are read, and nothing is run."
    if is_text:
        yield (
            "Pickle protocol 0 writes the places of tensors as text, from which torch.load cannot "
            "find them; save it with another protocol."
        )
    if any(entry.packed_in for entry in entries):
        yield (
            "Quantized layers keep weight and bias packed; they are counted, "
            "and their scales and zero points are buffers."
        )


def _refused(path: str, error: UnpicklingError) -> UcsegError:
    if isinstance(error, CutShortError):
        return _damaged(path, error)
    return ModelError(
        f"{path} is not a file of torch.save, or is damaged",
        where=path,
        notes=(f"its pickle cannot be read: {shortened(str(error), LONGEST_REASON)}",),
        help=FETCH_AGAIN,
    )


def _damaged(path: str, error: Exception, writer: str = "torch.save") -> ModelError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ModelError(
        f"{path} is cut short or damaged, or not a file of {writer}",
        where=path,
        notes=(shortened(reason, LONGEST_REASON),),
        help=FETCH_AGAIN,
    )
