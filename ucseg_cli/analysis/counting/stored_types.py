"""How entries of a state dict are stored: by their element type, or packed by a known format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import NamedTuple

from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.state_dict import DENSE, Entry, StateDict, Zeros

WORD = 32
"""Bits of an integer into which formats pack."""
NIBBLE = 4
QUANT_STATE = re.compile(r"(?P<weight>.+)\.quant_state\.bitsandbytes__(?P<kind>nf4|fp4)")
"""The entry that bitsandbytes writes beside a packed weight."""
QUANTIZED = "quantized"
"""The layout of types such as ``qint8``, which no other has."""
CODES = 16
"""Numbers that four bits can stand for."""
MXFP4_BYTES = 16
"""Bytes that have a scale of their own, with two numbers in each."""


class StoredAs(NamedTuple):
    """How an entry is stored.

    Args:
        name: of its element type, or of the format that packs it.
        values: numbers that it stands for; its elements, unless it is packed.
        packing: how many stand in an element, in words; None for one in each.
    """

    name: str
    values: int
    packing: str | None = None


Known = Mapping[str, Entry]
Found = Iterator[tuple[str, StoredAs]]


def stored_types(state: StateDict, zeros: Mapping[str, Zeros]) -> dict[str, StoredAs]:
    """How each entry is stored, by name.

    A format is named only if the entries that it writes beside a packed one are there, and their
    types and shapes agree with it. *zeros* has the numbers of short vectors.
    """
    known = {entry.name: entry for entry in state.entries}
    found = {entry.name: StoredAs(_type_of(entry), entry.numel) for entry in state.entries}
    for rule in (_bitsandbytes, _gptq, _awq, _mxfp4):
        found.update(rule(known))
    found.update(_compressed_tensors(known, zeros))
    return found


def _type_of(entry: Entry) -> str:
    """Torch's name; with the layout, if it has another than most, or the class that has values."""
    if entry.layout in {DENSE, QUANTIZED}:
        return entry.dtype
    return entry.layout if "." in entry.layout else f"{entry.dtype} ({entry.layout})"


def _packed(bits: int, name: str, stored: str, values: int) -> StoredAs:
    in_word = BITS[stored]
    whole, rest = divmod(in_word, bits)
    packing = f"{whole} in each {stored}" if not rest else f"{in_word} in {bits} of {stored}"
    return StoredAs(f"packed {bits}-bit ({name})", values, packing)


def _bitsandbytes(known: Known) -> Found:
    for name in known:
        if match := QUANT_STATE.fullmatch(name):
            weight, codes = match["weight"], known.get(f"{match['weight']}.quant_map")
            entry = known.get(weight)
            is_it = entry is not None and codes is not None and codes.numel == CODES
            if is_it and entry is not None and f"{weight}.absmax" in known:
                values = entry.numel * BITS.get(entry.dtype, 0) // NIBBLE
                yield weight, _packed(NIBBLE, f"bitsandbytes {match['kind']}", entry.dtype, values)


def _beside(known: Known, last: str, *others: str) -> Iterator[tuple[str, list[Entry]]]:
    """The module of each entry of that last name, with it and the *others* of that module."""
    for name in known:
        outer, _, own = name.rpartition(".")
        if own == last:
            inside = f"{outer}." if outer else ""
            names = [inside + one for one in (last, *others)]
            if all(one in known for one in names):
                yield inside, [known[one] for one in names]


def _are_words(*entries: Entry) -> bool:
    return all(entry.dtype == "int32" and len(entry.shape) == 2 for entry in entries)


def _gptq(known: Known) -> Found:
    """A column is an output; ``g_idx`` has the group of each input."""
    needed = ("qzeros", "scales", "g_idx")
    for inside, (weight, zeros, scales, groups) in _beside(known, "qweight", *needed):
        if not _are_words(weight, zeros) or len(scales.shape) != 2 or len(groups.shape) != 1:
            continue
        (rows, outputs), (inputs,) = weight.shape, groups.shape
        bits = WORD * rows // inputs if inputs else 0
        in_rows = bits in {2, 3, 4, 8} and WORD * rows == bits * inputs
        in_zeros = WORD * zeros.shape[1] == bits * outputs and zeros.shape[0] == scales.shape[0]
        if in_rows and in_zeros and scales.shape[1] == outputs:
            yield f"{inside}qweight", _packed(bits, "GPTQ", "int32", inputs * outputs)
            yield f"{inside}qzeros", _packed(bits, "GPTQ", "int32", prod(scales.shape))


def _awq(known: Known) -> Found:
    """A row is an input; there is no ``g_idx``, since groups follow one another."""
    for inside, (weight, zeros, scales) in _beside(known, "qweight", "qzeros", "scales"):
        if f"{inside}g_idx" in known or not _are_words(weight, zeros) or len(scales.shape) != 2:
            continue
        (inputs, columns), (groups, outputs) = weight.shape, scales.shape
        in_columns = WORD * columns == NIBBLE * outputs and zeros.shape == (groups, columns)
        if in_columns and groups and inputs % groups == 0 and inputs > groups:
            yield f"{inside}qweight", _packed(NIBBLE, "AWQ", "int32", inputs * outputs)
            yield f"{inside}qzeros", _packed(NIBBLE, "AWQ", "int32", prod(scales.shape))


def _mxfp4(known: Known) -> Found:
    for name, entry in known.items():
        scales = known.get(f"{name.removesuffix('_blocks')}_scales")
        if not name.endswith("_blocks") or scales is None:
            continue
        are_bytes = entry.dtype == scales.dtype == "uint8"
        if are_bytes and entry.shape == (*scales.shape, MXFP4_BYTES):
            yield name, _packed(NIBBLE, "MXFP4", "uint8", 2 * entry.numel)


def _compressed_tensors(known: Known, zeros: Mapping[str, Zeros]) -> Found:
    """``weight_shape`` has the shape of the whole weight."""
    needed = ("weight_scale", "weight_shape")
    for inside, (weight, *_) in _beside(known, "weight_packed", *needed):
        found = zeros.get(f"{inside}weight_shape", Zeros(None)).numbers
        if not _are_words(weight) or found is None or len(found) != 2:
            continue
        outputs, inputs = map(int, found)
        bits = WORD * weight.shape[1] // inputs if inputs > 0 else 0
        if bits in {4, 8} and weight.shape == (outputs, -(-inputs * bits // WORD)):
            values = outputs * inputs
            yield f"{inside}weight_packed", _packed(bits, "compressed-tensors", "int32", values)
