"""The state dict of a safetensors file, from its header alone and without torch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ucseg_cli.engine.checkpoints.other_formats import FETCH_AGAIN, SAFETENSORS_LENGTH
from ucseg_cli.engine.checkpoints.rebuilt_values import dense_strides
from ucseg_cli.errors import ModelError, UcsegError, UsageError, shortened
from ucseg_cli.facts.state_dict import Entry, Region, StateDict, Values

DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16",
    "U32": "uint32", "I32": "int32", "U64": "uint64", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F4": "float4_e2m1fn", "F6_E2M3": "float6_e2m3fn", "F6_E3M2": "float6_e3m2fn",
}  # fmt: skip
"""Torch's names for the element types of safetensors."""

METADATA_KEY = "__metadata__"
"""The name in a header that is not a tensor's."""
LONGEST_REASON = 200
"""Letters of what safetensors says, which may quote the header."""
LONGEST_HEADER = 100_000_000
"""Bytes; safetensors itself refuses more."""


def read_safetensors(path: str, key: str | None) -> StateDict:
    """Names, shapes and types, sorted by name, since the header lists tensors by size."""
    if key is not None:
        what, where = "a safetensors file has no keys: it is one state dict", f"{path}+key={key}"
        raise UsageError(what, where=where, help=f"write {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            names = sorted(file.keys(), key=_natural)
            regions = _regions(path)
            entries = [
                _entry(at, name, file.get_slice(name), regions.get(name))
                for at, name in enumerate(names)
            ]
    except (SafetensorError, OSError) as error:
        raise _broken(path, error) from error
    return StateDict(tuple(entries), "safetensors")


def _regions(path: str) -> dict[str, Region]:
    """Where each tensor is, from a header that safetensors has read without complaint.

    None is known if Python's JSON disagrees with that of safetensors.
    """
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(SAFETENSORS_LENGTH), "little")
        text = file.read(length)
    start = SAFETENSORS_LENGTH + length
    try:
        header = json.loads(text)
        ends = {name: one["data_offsets"] for name, one in header.items() if name != METADATA_KEY}
        return {name: Region(path, start + one, other - one) for name, (one, other) in ends.items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}


def _entry(memory: int, name: str, tensor: Any, region: Region | None) -> Entry:
    """One tensor; no two in a safetensors file share memory."""
    dtype, shape = str(tensor.get_dtype()), tuple(tensor.get_shape())
    values = region and Values(region, shape, dense_strides(shape))
    return Entry(name, shape, DTYPES.get(dtype, dtype), memory, values=values)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers by value: ``features.9`` before ``features.10``."""
    parts = re.split(r"([0-9]+)", name)
    return [(len(part.lstrip("0")) * part.isdecimal(), part) for part in parts]


def _broken(path: str, error: Exception) -> UcsegError:
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(SAFETENSORS_LENGTH), "little")
        header = file.read(length) if length <= min(size, LONGEST_HEADER) else b""
    sizes = _difference(header, size) or (
        f"its header should have {length:,} bytes, and the file has {size:,}"
    )
    return ModelError(
        f"{path} is cut short or damaged, or not a safetensors file",
        where=path,
        notes=(sizes, f"safetensors says: {shortened(str(error), LONGEST_REASON)}"),
        help=FETCH_AGAIN,
    )


def _difference(header: bytes, size: int) -> str | None:
    """By how many bytes the file is too short or too long for the tensors in its header."""
    try:
        tensors = [value for name, value in json.loads(header).items() if name != METADATA_KEY]
        end = max(int(tensor["data_offsets"][1]) for tensor in tensors)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return None
    whole = SAFETENSORS_LENGTH + len(header) + end
    if whole == size:
        return None
    wrong = f"{whole - size:,} are missing" if whole > size else f"{size - whole:,} are too many"
    return f"by its header it should have {whole:,} bytes, and the file has {size:,}: {wrong}"
