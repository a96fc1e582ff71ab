"""The axes of the design space: what each may be, how it is written, and what it governs."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.errors import UsageError, Where, nearest_name
from ucseg_cli.references.variants.axis_values import (
    AnyText,
    Choice,
    Integers,
    Probability,
    Several,
    Value,
    Values,
)

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
        parse: its values: from text to one of them; raises ValueError for anything else.
        examples: values worth completing in a shell.
        counted: whether it can change any count; one that cannot has no effect to attribute.
        same_function: whether every value computes the same in eval mode, from the same weights.
    """

    name: str
    accepts: str
    meaning: str
    parse: Values
    examples: tuple[str, ...]
    counted: bool = True
    same_function: bool = False

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
            case float() if isinstance(self.parse, AnyText):
                return repr(value).removesuffix(".0")
            case float():
                # every digit that the grammar reads, and no exponent
                return f"{value:.15f}".rstrip("0").rstrip(".")
            case _:
                return str(value)

    def show(self, value: Value) -> str:
        """The value as a reader expects it: the backbone's cut has its colon."""
        prefix = self.parse.prefix if isinstance(self.parse, Integers) else ""
        return f"{prefix}{self.write(value)}"


_CHANNELS = Integers(1, MAX_CHANNELS)

AXES = (
    Axis(
        "backbone",
        f"{MIN_BACKBONE} to {MAX_BACKBONE}, also written :10",
        "How many entries of MobileNetV3-Small's features are kept.",
        Integers(MIN_BACKBONE, MAX_BACKBONE, prefix=":"),
        ("10", "11"),
    ),
    Axis(
        "output_stride",
        "32 or 16",
        "Stride of the high tap; 16 dilates the backbone's last blocks instead of striding.",
        Choice((32, 16)),
        ("32", "16"),
    ),
    Axis(
        "rates",
        f"one to {MAX_RATES} positive rates with commas between",
        "Dilation rates of the ASPP's atrous branches.",
        Several(Integers(1, MAX_RATE), MAX_RATES),
        ("6,12", "6,12,18"),
    ),
    Axis(
        "conv",
        "regular or separable",
        "Kind of 3×3 block in the ASPP's atrous branches, the decoder and the low-level skip.",
        Choice(("regular", "separable")),
        ("regular", "separable"),
    ),
    Axis(
        "decoder_blocks",
        f"1 to {MAX_BLOCKS}",
        "How many 3×3 blocks the decoder has.",
        Integers(1, MAX_BLOCKS),
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
        Integers(0, MAX_CHANNELS),
        ("0", "16"),
    ),
    Axis(
        "head",
        "after-upsample or before-upsample",
        "Where the 1×1 classifier stands; both orders compute the same function in eval mode.",
        Choice(("after-upsample", "before-upsample")),
        ("after-upsample", "before-upsample"),
        same_function=True,
    ),
    Axis(
        "dropout",
        "0 to below 1",
        "Dropout before the classifier; the ASPP's own stays 0.5. No effect on any count.",
        Probability(),
        ("0.3", "0.5"),
        counted=False,
        same_function=True,
    ),
    Axis(
        "classes",
        f"2 to {MAX_CHANNELS:,}",
        "How many classes the logits have.",
        Integers(2, MAX_CHANNELS),
        ("21", "19"),
    ),
)

BY_NAME = {axis.name: axis for axis in AXES}
