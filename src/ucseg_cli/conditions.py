"""The conditions under which a model is looked at: input size and batch."""

from __future__ import annotations

import re
from typing import NamedTuple

from ucseg_cli.errors import UsageError
from ucseg_cli.units import format_shape

DEFAULT_SIDE = 224
MAX_SIDE = 2**20
MAX_BATCH = 2**16
MAX_PIXELS = 2**44
CHANNELS = 3
DTYPE = "float32"
DTYPES = (DTYPE, "float16", "bfloat16", "float64")

_SIZE_HELP = "write one number for a square (512) or HEIGHTxWIDTH (384x640)"


class Size(NamedTuple):
    """Height and width of the input in pixels."""

    height: int = DEFAULT_SIDE
    width: int = DEFAULT_SIDE

    def __str__(self) -> str:
        return f"{self.height}" if self.height == self.width else f"{self.height}x{self.width}"


class Conditions(NamedTuple):
    """One input tensor, N×3×H×W in float32; the model is in eval mode."""

    size: Size = Size()
    batch: int = 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, C, H, W."""
        return (self.batch, CHANNELS, self.size.height, self.size.width)

    def __str__(self) -> str:
        return f"{format_shape(self.shape)} {DTYPE}, eval mode"


def parse_size(text: str, *, where: str | None = None) -> Size:
    """``512`` or ``384x640`` as a Size; raises UsageError with the way to write it."""
    where = where or f"--size {text[:24]}"
    match = re.fullmatch(r"\s*([0-9]+)(?:\s*[x×X]\s*([0-9]+))?\s*", text)
    if match is None:
        raise UsageError(f"'{text}' is not an input size", where=where, help=_SIZE_HELP)
    if max(len(side or "") for side in match.groups()) > 12:  # also spares int() a text of a million digits
        raise UsageError(
            f"the size {text[:12]}… is absurdly large", where=where, help=f"each side is at most {MAX_SIDE:,}"
        )
    height = int(match[1])
    width = int(match[2]) if match[2] is not None else height
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UsageError(
            f"the size {height:,}×{width:,} is out of range",
            where=where,
            help=f"each side is between 1 and {MAX_SIDE:,} pixels",
        )
    return Size(height, width)


def make_conditions(size: Size, batch: int) -> Conditions:
    """Size and batch together, refused where the tensors' sizes would no longer fit 64 bits."""
    if not 1 <= batch <= MAX_BATCH:
        raise UsageError(
            f"the batch {batch:,} is out of range", where=f"--batch {batch}", help=f"it is between 1 and {MAX_BATCH:,}"
        )
    if batch * size.height * size.width > MAX_PIXELS:
        raise UsageError(
            f"{batch:,} images of {size.height:,}×{size.width:,} pixels are more than can be addressed",
            where=f"--batch {batch} --size {size}",
            help=f"batch × height × width is at most {MAX_PIXELS:,}",
        )
    return Conditions(size, batch)
