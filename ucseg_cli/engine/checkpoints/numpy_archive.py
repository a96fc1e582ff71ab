"""The arrays of an ``.npz``: names, shapes and types from their headers, without numpy."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any
from zipfile import ZipFile

from ucseg_cli.engine.checkpoints.rebuilt_values import NUMPY, dense_strides
from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.state_dict import Entry, Region, StateDict, Values

MAGIC = b"\x93NUMPY"
ENDING = ".npy"
LONGEST_HEADER = 1 << 16
"""Bytes; numpy itself refuses to read more than 10,000."""


def is_numpy_archive(names: Iterable[str]) -> bool:
    """Whether every member is an array."""
    names = list(names)
    return bool(names) and all(name.endswith(ENDING) for name in names)


def read_numpy_archive(archive: ZipFile, sizes: Mapping[str, int], path: str) -> StateDict:
    """Every array of numbers; raises ValueError for a member that is not an array, or cut short.

    The header of numpy's format (numpy.lib.format): a mark, a version, its length, and a dictionary
    as Python writes it. The data that follows cannot have more than *sizes* bytes with it.
    """
    entries, left_out = [], []
    for name in archive.namelist():
        with archive.open(name) as file:
            mark, (major, _) = file.read(len(MAGIC)), file.read(2)
            length = int.from_bytes(file.read(2 if major == 1 else 4), "little")
            if mark != MAGIC or length > LONGEST_HEADER:
                raise ValueError(f"{name} is not an array of numpy")
            header = literal_eval(file.read(length).decode("utf-8"))
            start = file.tell()
        left, code = sizes[name] - start, str(header["descr"])
        dtype = NUMPY.get(code.lstrip("<>=|"))
        if dtype is None:
            left_out.append(name.removesuffix(ENDING))
        else:
            shape = _shape(name, header["shape"], dtype, left)
            strides = dense_strides(shape, first_axis_fastest=header.get("fortran_order") is True)
            order = ">" if code.startswith(">") else "<"
            region = Region(path, start, left, name)
            values = Values(region, shape, strides, order=order)
            entries.append(Entry(name.removesuffix(ENDING), shape, dtype, values=values))
    return StateDict(tuple(entries), "numpy", left_out=tuple(left_out))


def _shape(name: str, sides: Iterable[Any], dtype: str, left: int) -> tuple[int, ...]:
    shape = tuple(int(side) for side in sides)
    expected = size_in_bytes(prod(shape), dtype)
    if min(shape, default=0) < 0 or expected > left:
        raise ValueError(f"the data of {name} should have {expected:,} bytes, and has {left:,}")
    return shape
