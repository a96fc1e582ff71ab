"""The arrays of an ``.npz``: names, shapes and types from their headers, without numpy."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable
from zipfile import ZipFile

from ucseg_cli.engine.checkpoints.pickled_values import NUMPY
from ucseg_cli.facts.state_dict import Entry, StateDict

MAGIC = b"\x93NUMPY"
ENDING = ".npy"
LONGEST_HEADER = 1 << 16
"""Bytes; numpy itself refuses to read more than 10,000."""


def is_numpy_archive(names: Iterable[str]) -> bool:
    """Whether every member is an array."""
    names = list(names)
    return bool(names) and all(name.endswith(ENDING) for name in names)


def read_numpy_archive(archive: ZipFile) -> StateDict:
    """Every array of numbers; raises ValueError for a member that is not an array.

    The header of numpy's format (numpy.lib.format): a mark, a version, its length, and a dictionary
    as Python writes it.
    """
    entries, left_out = [], []
    for name in archive.namelist():
        with archive.open(name) as file:
            mark, (major, _) = file.read(len(MAGIC)), file.read(2)
            length = int.from_bytes(file.read(2 if major == 1 else 4), "little")
            if mark != MAGIC or length > LONGEST_HEADER:
                raise ValueError(f"{name} is not an array of numpy")
            header = literal_eval(file.read(length).decode("utf-8"))
        dtype = NUMPY.get(str(header["descr"]).lstrip("<>=|"))
        if dtype is None:
            left_out.append(name.removesuffix(ENDING))
        else:
            shape = tuple(int(side) for side in header["shape"])
            entries.append(Entry(name.removesuffix(ENDING), shape, dtype))
    return StateDict(tuple(entries), "numpy", left_out=tuple(left_out))
