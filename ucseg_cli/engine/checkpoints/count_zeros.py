"""Counting what is zero in the data of a checkpoint, a chunk at a time, by the bits of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ucseg_cli.engine.checkpoints.other_formats import FETCH_AGAIN
from ucseg_cli.engine.checkpoints.read_values import DAMAGE, RegionReader
from ucseg_cli.errors import ModelError, ResourceError
from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.state_dict import DENSE, Entry, Values, Zeros

CHUNK = 1 << 20
"""Elements that are read at a time, at most 16 MiB of them."""
LONGEST_VECTOR = 1 << 16
"""Elements of a vector whose numbers are kept."""
LONGEST_AXIS = 1 << 20
"""Slices along an axis that are distinguished."""
MOST_TIMES = 64
"""How often the bytes of a file may be read, since its tensors overlap."""

Flags = NDArray[np.bool_]
Announce = Callable[[int, int], None]
"""Called with the bytes that have been read, and all."""


class _Bits(NamedTuple):
    """How a number is zero: if the bits of *mask* are, in each of *parts* integers of *code*."""

    code: str
    mask: int
    parts: int = 1


_SIGNED = {  # a number without its sign, which -0.0 has
    "float16": _Bits("u2", 0x7FFF),
    "bfloat16": _Bits("u2", 0x7FFF),
    "float32": _Bits("u4", 0x7FFF_FFFF),
    "float64": _Bits("u8", 0x7FFF_FFFF_FFFF_FFFF),
    "complex32": _Bits("u2", 0x7FFF, 2),
    "complex64": _Bits("u4", 0x7FFF_FFFF, 2),
    "complex128": _Bits("u8", 0x7FFF_FFFF_FFFF_FFFF, 2),
    "float8_e4m3fn": _Bits("u1", 0x7F),
    "float8_e5m2": _Bits("u1", 0x7F),
}
_WHOLE = {
    name: _Bits(f"u{BITS[name] // 8}", (1 << BITS[name]) - 1)
    for name in (
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float8_e4m3fnuz", "float8_e5m2fnuz"),  # they have no -0.0: its bits are a NaN
    )
}
_SCALES = {"float8_e8m0fnu": _Bits("u1", 0)}
"""Powers of two, which are never zero."""
_BITS: Mapping[str, _Bits] = _SIGNED | _WHOLE | _SCALES
_QUANTIZED = {"qint8": "i1", "quint8": "u1", "qint32": "i4"}
"""Integers, of which one stands for zero."""
_NIBBLES = {"float4_e2m1fn"}
"""Two numbers in a byte, each with its sign in the highest bit."""
_NUMBERS = {"float16": "f2", "float32": "f4", "float64": "f8", "bfloat16": "u2", "int64": "i8"}
"""Types of vectors whose numbers are kept."""


class _Axis(NamedTuple):
    """An axis in memory: its place in the shape, its length and its stride in elements."""

    place: int
    length: int
    stride: int


class _Grid(NamedTuple):
    """How a tensor lies in memory: its axes, slowest first, without those of one element.

    *span* is from its first to behind its last element, *copies* how often each is repeated.
    """

    axes: tuple[_Axis, ...]
    span: int
    copies: int

    @property
    def is_dense(self) -> bool:
        """Whether no element between the first and the last one is another tensor's."""
        return self.span == prod(axis.length for axis in self.axes)


def count_zeros(
    entries: Iterable[Entry], masks: Mapping[str, str], announce: Announce
) -> dict[str, Zeros]:
    """The zeros of each entry by name; what lies in the same place is read once.

    *masks* has for each entry that is pruned the entry by which it is multiplied. *announce* is
    called with the bytes that have been read, and all. Raises ModelError where a file is damaged,
    ResourceError where it cannot be read here.
    """
    known = {entry.name: entry for entry in entries}
    found: dict[object, Zeros] = {}
    answer: dict[str, Zeros] = {}
    progress = _Progress(list(known.values()), announce)
    with RegionReader() as reader:
        for name, entry in known.items():
            mask = known.get(masks.get(name, ""))
            key = _key(entry), mask and _key(mask)
            if key not in found:
                found[key] = _guarded(_Counter(reader, progress), entry, mask)
            answer[name] = found[key]
    return answer


def _key(entry: Entry) -> object:
    return entry.values or entry.name, entry.dtype, entry.shape, entry.layout


class _Progress:
    """Counts what is read; refuses to read the same bytes again and again."""

    def __init__(self, entries: Iterable[Entry], announce: Announce) -> None:
        spans = {_key(entry): _bytes_of(entry) for entry in entries}
        regions = {entry.values.region for entry in entries if entry.values}
        self._announce = announce
        self._size, self._done = sum(spans.values()), 0
        there = sum(region.size for region in regions)
        if self._size > MOST_TIMES * there:
            file = next(iter(regions)).file
            raise ModelError(
                f"{file} cannot be counted: its tensors overlap",
                where=file,
                notes=(f"their {self._size:,} bytes lie in {there:,}",),
                help="save a copy of each: {name: one.clone() for name, one in state.items()}",
            )

    def add(self, count: int) -> None:
        """So many bytes have been read."""
        self._done += count
        self._announce(self._done, max(self._size, self._done))


def _bytes_of(entry: Entry) -> int:
    grid = entry.values and _grid_of(entry.values)
    return grid.span * BITS.get(entry.dtype, 0) // 8 if grid else 0


def _guarded(counter: _Counter, entry: Entry, mask: Entry | None) -> Zeros:
    """The zeros of an entry; damage is a ModelError that names the file."""
    path = entry.values.region.file if entry.values else ""
    try:
        return counter.count(entry, mask)
    except DAMAGE as error:
        raise ModelError(
            f"{path} is cut short or damaged",
            where=path,
            notes=(f"the data of {entry.name[:80]} cannot be read: {error}",),
            help=FETCH_AGAIN,
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise ResourceError(f"{path} cannot be read: {reason}", where=path) from error


class _Counter:
    def __init__(self, reader: RegionReader, progress: _Progress) -> None:
        self._reader = reader
        self._progress = progress

    def count(self, entry: Entry, mask: Entry | None) -> Zeros:
        """The zeros of an entry, and where it has a *mask*, of their product."""
        if entry.numel == 0:
            return Zeros(0, _no_slices(entry))
        values = entry.values
        grid = values and _grid_of(values)
        if values is None or grid is None:
            return Zeros(None)
        flags = self._zeros(values, grid, entry.dtype)
        if mask is not None:
            flags = self._with_mask(flags, values, grid, mask)
        if flags is None:
            return Zeros(None)
        counted = _count(flags, grid, values.shape)
        if entry.layout not in {DENSE, "quantized"}:  # all but its values are zero
            nonzero = prod(values.shape) - (counted.total or 0)
            return Zeros(entry.numel - nonzero if nonzero <= entry.numel else None)
        return counted._replace(numbers=self._numbers(entry, values, grid))

    def _with_mask(
        self, flags: Iterator[Flags] | None, values: Values, grid: _Grid, mask: Entry
    ) -> Iterator[Flags] | None:
        """Whether an element or its mask is zero; None if both do not lie in the same order."""
        own = mask.values
        if own is None or own.shape != values.shape or _grid_of(own) != grid:
            return None
        return _either(flags, self._zeros(own, grid, mask.dtype))

    def _zeros(self, values: Values, grid: _Grid, dtype: str) -> Iterator[Flags] | None:
        """Whether each element is zero, a chunk at a time; None where its type does not say."""
        if dtype in _NIBBLES:
            return self._zero_nibbles(values, grid) if grid.is_dense else None
        if dtype in _QUANTIZED:
            zero = self._zero_point(values)
            code = np.dtype(f"{values.order}{_QUANTIZED[dtype]}")
            return None if zero is None else self._equal(values, grid, code, zero)
        if dtype not in _BITS:
            return None
        return self._zero_bits(values, grid, _BITS[dtype])

    def _zero_bits(self, values: Values, grid: _Grid, bits: _Bits) -> Iterator[Flags]:
        code = np.dtype(f"{values.order}{bits.code}")
        for chunk in self._chunks(values, grid, code.itemsize * bits.parts):
            zero = (np.frombuffer(chunk, code) & code.type(bits.mask)) == 0
            if not bits.mask:
                zero[:] = False
            yield zero if bits.parts == 1 else zero.reshape(-1, bits.parts).all(axis=1)

    def _equal(self, values: Values, grid: _Grid, code: Any, zero: int) -> Iterator[Flags]:
        for chunk in self._chunks(values, grid, code.itemsize):
            yield np.frombuffer(chunk, code) == zero

    def _zero_nibbles(self, values: Values, grid: _Grid) -> Iterator[Flags]:
        left = grid.span
        end = -(-grid.span // 2)
        for chunk in self._reader.chunks(values.region, 0, end, CHUNK):
            self._progress.add(len(chunk))
            pairs = np.frombuffer(chunk, "u1")
            zero = np.stack(((pairs & 0x07) == 0, (pairs & 0x70) == 0), axis=1).reshape(-1)
            yield zero[:left]
            left -= len(zero)

    def _chunks(self, values: Values, grid: _Grid, itemsize: int) -> Iterator[bytes]:
        begin = values.offset * itemsize
        end = begin + grid.span * itemsize
        for chunk in self._reader.chunks(values.region, begin, end, CHUNK * itemsize):
            self._progress.add(len(chunk))
            yield chunk

    def _zero_point(self, values: Values) -> int | None:
        """The integer that stands for zero, if it is the same in every channel."""
        if not isinstance(values.zero, Values):
            return values.zero
        points, grid = values.zero, _grid_of(values.zero)
        code = {"int32": "i4", "int64": "i8", "float32": "f4"}.get(points.dtype)
        if grid is None or not grid.is_dense or grid.span > LONGEST_VECTOR or code is None:
            return None
        data = b"".join(self._chunks(points, grid, np.dtype(code).itemsize))
        found = np.unique(np.frombuffer(data, f"{points.order}{code}"))
        return int(found[0]) if len(found) == 1 and float(found[0]).is_integer() else None

    def _numbers(self, entry: Entry, values: Values, grid: _Grid) -> tuple[float, ...] | None:
        """The elements of a short vector, in their order."""
        code = _NUMBERS.get(entry.dtype)
        if code is None or len(entry.shape) != 1 or entry.numel > LONGEST_VECTOR:
            return None
        if not grid.is_dense or grid.copies > 1:
            return None
        data = b"".join(self._chunks(values, grid, np.dtype(code).itemsize))
        numbers = np.frombuffer(data, f"{values.order}{code}")
        if entry.dtype == "bfloat16":  # the upper half of a float32
            numbers = (numbers.astype("u4") << 16).view("f4")
        return tuple(map(float, numbers))


def _grid_of(values: Values) -> _Grid | None:
    """How a tensor lies in memory; None if some of its elements lie in the same place."""
    axes = [_Axis(*axis) for axis in zip(range(99), values.shape, values.strides, strict=False)]
    copies = prod(axis.length for axis in axes if axis.stride == 0)
    own = [axis for axis in axes if axis.length != 1 and axis.stride != 0]
    own.sort(key=lambda axis: -axis.stride)
    if any(one.stride < other.stride * other.length for one, other in pairwise(own)):
        return None
    span = 1 + sum((axis.length - 1) * axis.stride for axis in own)
    return _Grid(tuple(own), span, copies)


def _count(flags: Iterator[Flags], grid: _Grid, shape: tuple[int, ...]) -> Zeros:
    """The number of zeros, and the slices of the first two axes that have nothing else."""
    is_distinguished = len(shape) > 1 and max(shape[:2]) <= LONGEST_AXIS
    hits = [np.zeros(length, np.bool_) for length in shape[:2]] if is_distinguished else []
    zeros = elements = base = 0
    for zero in flags:
        nonzero = ~zero
        places = None if grid.is_dense else _places(grid, base, len(zero))
        if places is not None:
            nonzero &= places.inside
        base += len(zero)
        found = len(zero) if places is None else int(np.count_nonzero(places.inside))
        elements += found
        zeros += found - int(np.count_nonzero(nonzero))
        for at, axis in enumerate(grid.axes):
            if axis.place < len(hits) and not (hit := hits[axis.place]).all():
                if places is None:
                    _note_runs(hit, nonzero, base - len(zero), axis)
                else:
                    hit[places.by_axis[at][nonzero]] = True
    own = {axis.place for axis in grid.axes}
    for place, hit in enumerate(hits):
        if place not in own:  # its slices are all the same
            hit[:] = zeros < elements
    slices = [tuple(map(int, np.flatnonzero(~hit))) for hit in hits]
    return Zeros(zeros * grid.copies, (slices[0], slices[1]) if slices else None)


class _Places(NamedTuple):
    """Which elements between the first and the last are the tensor's, and where in it."""

    inside: Flags
    by_axis: list[NDArray[np.int64]]


def _places(grid: _Grid, base: int, count: int) -> _Places:
    rest = np.arange(base, base + count)
    inside = np.ones(count, np.bool_)
    by_axis = []
    for axis in grid.axes:
        place, rest = np.divmod(rest, axis.stride)
        inside &= place < axis.length
        by_axis.append(place)
    return _Places(inside & (rest == 0), by_axis)


def _note_runs(hit: Flags, nonzero: Flags, base: int, axis: _Axis) -> None:
    """Note which places of an axis have an element that is not zero, in memory without gaps.

    As many neighbours as its stride is long are at one place of it.
    """
    first, begun = divmod(base, axis.stride)
    starts = np.arange(-begun, len(nonzero), axis.stride)
    starts[0] = 0
    runs = np.logical_or.reduceat(nonzero, starts) if axis.stride > 1 else nonzero
    places = np.arange(first, first + len(runs)) % axis.length
    hit[places[runs]] = True


def _no_slices(entry: Entry) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    return ((), ()) if len(entry.shape) > 1 else None


def _either(one: Iterator[Flags] | None, other: Iterator[Flags] | None) -> Iterator[Flags] | None:
    """Whether a product is zero, chunk by chunk; None if either factor is unknown."""
    if one is None or other is None:
        return None
    return (left | right for left, right in zip(one, other, strict=True))
