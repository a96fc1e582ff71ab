"""The axes of the design space: what each may be, how it is written, and what it governs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ucseg_cli.errors import UsageError, Where, nearest_name

Value = int | str | float | tuple[Any, ...] | None

MIN_BACKBONE, MAX_BACKBONE = 4, 13
MAX_CHANNELS = 2**16
MAX_BLOCKS = 64
MAX_RATES = 32
MAX_RATE = 2**16


class Axis(NamedTuple):
    """One choice of the design.

    Args:
        name: as in ``v2+NAME=value``.
        accepts: what a value may be, in words.
        meaning: what it governs, one sentence.
        parse: from text to a value; raises ValueError for anything else.
        examples: values worth completing in a shell.
        counted: whether it can change any count; one that cannot has no effect to attribute.
        same_function: whether every value computes the same in eval mode, from the same weights.
        prefix: what a reader expects before a value, as the colon of the backbone's cut.
        exponents: whether numbers may be written with one.
    """

    name: str
    accepts: str
    meaning: str
    parse: Callable[[str], Value]
    examples: tuple[str, ...]
    counted: bool = True
    same_function: bool = False
    prefix: str = ""
    exponents: bool = False

    def read(self, text: str, *, where: Where = None) -> Value:
        """The value written as *text*; raises UsageError that says what the axis accepts."""
        try:
            return self.parse(text.strip())
        except ValueError:
            example = f"for example {self.name}={self.examples[0]}"
            nearest = nearest_name(text, self.examples)
            raise UsageError(
                f"'{text}' is not a value of the axis '{self.name}'",
                where=where,
                notes=(f"accepts: {self.accepts}",),
                help=f"did you mean '{self.name}={nearest}'?" if nearest else example,
            ) from None

    def write(self, value: Value) -> str:
        """The value as the reference grammar writes it."""
        match value:
            case ():
                return "()"
            case tuple():
                return ",".join(map(str, value))
            case float() if self.exponents:
                return repr(value).removesuffix(".0")
            case float():
                # every digit that the grammar reads, and no exponent
                return f"{value:.15f}".rstrip("0").rstrip(".")
            case _:
                return str(value)

    def show(self, value: Value) -> str:
        """The value as a reader expects it."""
        return f"{self.prefix}{self.write(value)}"


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return parse


def _choice(*options: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(text)
        return text

    return parse


def _backbone(text: str) -> int:
    return _integer(MIN_BACKBONE, MAX_BACKBONE)(text.removeprefix(":"))


def _output_stride(text: str) -> int:
    return int(_choice("16", "32")(text))


def _rates(text: str) -> tuple[int, ...]:
    rates = tuple(map(_integer(1, MAX_RATE), map(str.strip, text.split(","))))
    if len(rates) > MAX_RATES:
        raise ValueError(text)
    return rates


def _probability(text: str) -> float:
    if not re.fullmatch(r"0|0?\.[0-9]{1,15}|0\.0*", text):
        raise ValueError(text)
    return float(text)


_CHANNELS = _integer(1, MAX_CHANNELS)

AXES = (
    Axis(
        "backbone",
        f"{MIN_BACKBONE} to {MAX_BACKBONE}, also written :10",
        "How many entries of MobileNetV3-Small's features are kept.",
        _backbone,
        ("10", "11"),
        prefix=":",
    ),
    Axis(
        "output_stride",
        "32 or 16",
        "Stride of the high tap; 16 dilates the backbone's last blocks instead of striding.",
        _output_stride,
        ("32", "16"),
    ),
    Axis(
        "rates",
        f"one to {MAX_RATES} positive rates with commas between",
        "Dilation rates of the ASPP's atrous branches.",
        _rates,
        ("6,12", "6,12,18"),
    ),
    Axis(
        "conv",
        "regular or separable",
        "Kind of 3×3 block in the ASPP's atrous branches, the decoder and the low-level skip.",
        _choice("regular", "separable"),
        ("regular", "separable"),
    ),
    Axis(
        "decoder_blocks",
        f"1 to {MAX_BLOCKS}",
        "How many 3×3 blocks the decoder has.",
        _integer(1, MAX_BLOCKS),
        ("1", "2"),
    ),
    Axis(
        "aspp_channels",
        f"1 to {MAX_CHANNELS:,}",
        "Width of every ASPP branch and of its projection.",
        _CHANNELS,
        ("64", "128"),
    ),
    Axis(
        "mid_channels",
        f"1 to {MAX_CHANNELS:,}",
        "Width to which the mid-level skip is brought.",
        _CHANNELS,
        ("24", "48"),
    ),
    Axis(
        "decoder_channels",
        f"1 to {MAX_CHANNELS:,}",
        "Width of the decoder's blocks.",
        _CHANNELS,
        ("64", "96"),
    ),
    Axis(
        "low_skip",
        f"0 (none) to {MAX_CHANNELS:,}",
        "Width of the low-level skip; 0 leaves it out.",
        _integer(0, MAX_CHANNELS),
        ("0", "16"),
    ),
    Axis(
        "head",
        "after-upsample or before-upsample",
        "Where the 1×1 classifier stands; both orders compute the same function in eval mode.",
        _choice("after-upsample", "before-upsample"),
        ("after-upsample", "before-upsample"),
        same_function=True,
    ),
    Axis(
        "dropout",
        "0 to below 1",
        "Dropout before the classifier; the ASPP's own stays 0.5. No effect on any count.",
        _probability,
        ("0.3", "0.5"),
        counted=False,
        same_function=True,
    ),
    Axis(
        "classes",
        f"2 to {MAX_CHANNELS:,}",
        "How many classes the logits have.",
        _integer(2, MAX_CHANNELS),
        ("21", "19"),
    ),
)

BY_NAME = {axis.name: axis for axis in AXES}
