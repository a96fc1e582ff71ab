"""The conditions under which a model is looked at: the tensors that go in."""

from __future__ import annotations

import re
from math import prod
from typing import NamedTuple

from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.facts.choices import DTYPE, DTYPES
from ucseg_cli.units import format_shape

DEFAULT_SIDE = 224
MAX_SIDE = 2**20
MAX_BATCH = 2**16
MAX_PIXELS = 2**44
CHANNELS = 3
SPATIAL_RANK = 4
INPUT_DTYPES = (
    *DTYPES,
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
    "complex64",
    "complex128",
)
MAX_RANK = 8

OTHER_ARGUMENTS = (
    "for lists, dictionaries, keywords or values, name a class of your file whose forward takes "
    "tensors and calls this one"
)
"""How to feed a model whose forward pass takes no list of tensors."""

SIDES = r"([0-9]+)(?:\s*[x×X]\s*([0-9]+))?"
SHAPE = rf"[0-9]{{1,15}}(?:[x×X][0-9]{{1,15}}){{0,{MAX_RANK - 1}}}"
"""How a size, and the shape of a tensor, are written."""

_SIZE_HELP = "write one number for a square (512) or HEIGHTxWIDTH (384x640)"
_INPUT_HELP = "write lengths with x between, as in 1x3x16x112x112, and a dtype as in 1x16:int64"


class Size(NamedTuple):
    """Height and width of the input in pixels."""

    height: int = DEFAULT_SIDE
    width: int = DEFAULT_SIDE

    def __str__(self) -> str:
        return f"{self.height}" if self.height == self.width else f"{self.height}x{self.width}"


class Input(NamedTuple):
    """One tensor that goes into a model."""

    shape: tuple[int, ...]
    dtype: str = DTYPE

    def __str__(self) -> str:
        return f"{format_shape(self.shape)} {self.dtype}"

    @property
    def written(self) -> str:
        """As `--input` takes it."""
        return f"{'x'.join(map(str, self.shape))}:{self.dtype}"


class Tensors(NamedTuple):
    """The input of a model that does not take an image."""

    inputs: tuple[Input, ...]

    def __str__(self) -> str:
        return ", ".join(format_shape(tensor.shape) for tensor in self.inputs)


class Conditions(NamedTuple):
    """The input of a model in eval mode: N×3×H×W in float32, unless other tensors are *given*."""

    size: Size = Size()
    batch: int = 1
    given: Tensors | None = None

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The tensors, in the order of the forward pass's arguments."""
        if self.given:
            return self.given.inputs
        return (Input((self.batch, CHANNELS, self.size.height, self.size.width)),)

    @property
    def extent(self) -> Size | None:
        """Height and width of the first tensor; None if it is not N×C×H×W."""
        first = self.inputs[0].shape
        return Size(*first[2:]) if len(first) == SPATIAL_RANK else None

    @property
    def at(self) -> Size | Tensors:
        """How a sentence names these conditions: by the size, or by the tensors given."""
        return self.given or self.size

    @property
    def written(self) -> str:
        """A size, or tensors with their types, as a lock has them: ``384x640``, ``1x16:int64``."""
        return ",".join(one.written for one in self.inputs) if self.given else str(self.size)

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.inputs))}, eval mode"


def parse_size(text: str, *, where: Where = None) -> Size:
    """``512`` or ``384x640`` as a Size; raises UsageError with the way to write it."""
    where = where or f"--size {text[:24]}"
    match = re.fullmatch(SIDES, text.strip())
    if match is None:
        raise UsageError(f"'{text}' is not an input size", where=where, help=_SIZE_HELP)
    digits = (match[1], match[2] or match[1])
    if max(map(len, digits)) > 12:  # also spares int() a text of a million digits
        what = f"the size {text[:12]}… is absurdly large"
        raise UsageError(what, where=where, help=f"each side is at most {MAX_SIDE:,}")
    height, width = map(int, digits)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        what = f"the size {height:,}×{width:,} is out of range"
        fix = f"each side is between 1 and {MAX_SIDE:,} pixels"
        raise UsageError(what, where=where, help=fix)
    return Size(height, width)


def parse_conditions(text: str, *, where: Where = None) -> Conditions:
    """The inverse of *written*; types may be left out. Raises UsageError."""
    if re.search("[:,]|[x×X].*[x×X]", text):
        return Conditions(given=parse_inputs(text, where=where))
    return make_conditions(parse_size(text, where=where), 1)


def make_conditions(size: Size, batch: int) -> Conditions:
    """Size and batch together; raises UsageError if the tensors' sizes would not fit 64 bits."""
    if not 1 <= batch <= MAX_BATCH:
        what, fix = f"the batch {batch:,} is out of range", f"it is between 1 and {MAX_BATCH:,}"
        raise UsageError(what, where=f"--batch {batch}", help=fix)
    if batch * size.height * size.width > MAX_PIXELS:
        images = f"{batch:,} images of {size.height:,}×{size.width:,} pixels"
        raise UsageError(
            f"{images} are more than can be addressed",
            where=f"--batch {batch} --size {size}",
            help=f"batch × height × width is at most {MAX_PIXELS:,}",
        )
    return Conditions(size, batch)


def parse_inputs(text: str, *, where: Where = None) -> Tensors:
    """``1x3x16x112x112,1x16:int64`` as tensors; raises UsageError with the way to write it."""
    where = where or f"--input {text[:40]}"
    inputs = tuple(_parse_input(part, where) for part in text.split(","))
    if sum(prod(tensor.shape) for tensor in inputs) > MAX_PIXELS:
        what = "so large an input is more than can be addressed"
        fix = f"all tensors together have at most {MAX_PIXELS:,} elements"
        raise UsageError(what, where=where, help=fix)
    return Tensors(inputs)


def _parse_input(text: str, where: Where) -> Input:
    shape, colon, dtype = text.strip().partition(":")
    if not re.fullmatch(SHAPE, shape):
        raise UsageError(f"'{text}' is not an input shape", where=where, help=_INPUT_HELP)
    if colon and dtype not in INPUT_DTYPES:
        raise UnknownNameError("dtype", dtype, INPUT_DTYPES, where=where)
    numbers = tuple(map(int, re.split(r"[x×X]", shape)))
    if 0 in numbers:
        fix = "each length is at least 1"
        raise UsageError(f"'{text}' has a length of 0", where=where, help=fix)
    return Input(numbers, dtype or DTYPE)
