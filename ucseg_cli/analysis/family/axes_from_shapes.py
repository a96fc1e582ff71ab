"""The axes of a variant as the shapes of its tensors show them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ucseg_cli.references.variants import AXES, Variant

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
"""Shapes of tensors by name."""

UNSEEN = frozenset({"output_stride", "rates", "head", "dropout"})
"""Axes that no shape depends on; of the rates, their number is seen and their values are not."""
BESIDE_RATES = 2
"""Branches of the ASPP that are no atrous ones: the 1×1 conv and the image pooling."""


def read_axes(shapes: Shapes) -> dict[str, Any]:
    """The value of every axis that *shapes* determine, of the rates their number; what no variant has is left out."""
    return {
        name: value
        for name, read in _READ.items()
        if (value := _accepted(name, read(shapes))) is not None
    }


def visible(variant: Variant, axis: str) -> Any:
    """What shapes show of an axis's value; None where they show nothing."""
    if axis == "rates":
        return len(variant.rates)
    return None if axis in UNSEEN else getattr(variant, axis)


def _accepted(name: str, value: Any) -> Any:
    """A value that was read, where the axis can have it; None where it cannot, or nothing was read."""
    axis = next(axis for axis in AXES if axis.name == name)
    try:
        if value is not None:
            axis.parse(",".join("1" * value) if name == "rates" else str(value))
    except ValueError:
        return None
    return value


def _count(shapes: Shapes, place: str) -> int | None:
    """How many children the container at *place* has, by the highest index; None where it has none."""
    indices = (re.match(rf"{re.escape(place)}\.([0-9]{{1,4}})\.", name) for name in shapes)
    return max((int(index[1]) + 1 for index in indices if index), default=None)


def _rates(shapes: Shapes) -> int | None:
    branches = _count(shapes, "aspp.branches")
    return None if branches is None else max(branches - BESIDE_RATES, 0)


def _conv(shapes: Shapes) -> str | None:
    """The kind of most 3×3 blocks."""
    kinds = Counter(kind for name, shape in shapes.items() if (kind := _kind(name, shape)))
    return kinds.most_common(1)[0][0] if kinds else None


def _kind(name: str, shape: Shape) -> str | None:
    if not re.match(r"aspp\.branches\.|decoder\.|refine\.", name):
        return None
    if name.endswith(".depthwise.weight"):
        return "separable"
    return "regular" if name.endswith(".0.weight") and shape[2:] == (3, 3) else None


def _width(name: str) -> Callable[[Shapes], int | None]:
    """Reads the length that most of the tensors have which the axis *name* governs."""
    places = [(re.compile(pattern), dimension) for pattern, dimension in _WIDTHS[name]]

    def read(shapes: Shapes) -> int | None:
        lengths = Counter(
            shape[dimension]
            for pattern, dimension in places
            for place, shape in shapes.items()
            if pattern.fullmatch(place) and len(shape) > dimension
        )
        return lengths.most_common(1)[0][0] if lengths else None

    return read


def _low_skip(shapes: Shapes) -> int | None:
    """0 where nothing of it is there, and something of the decoder is."""
    if any(name.startswith(("low_conv.", "refine.")) for name in shapes):
        return _width("low_skip")(shapes)
    return 0 if _count(shapes, "decoder") else None


_WIDTHS = {
    "aspp_channels": [(r"aspp\.(branches\.\d+\.([012]|pointwise|bn2)|project\.[01])\.weight", 0)],
    "mid_channels": [(r"mid_conv\.[01]\.weight", 0)],
    "decoder_channels": [
        (r"(decoder\.\d+|refine)\.([01]|pointwise|bn2)\.weight", 0),
        (r"classifier\.1\.weight", 1),
    ],
    "low_skip": [(r"low_conv\.[01]\.weight", 0)],
    "classes": [(r"classifier\.1\.(weight|bias)", 0)],
}
"""The tensors that an axis gives a length, and in which dimension: one that was changed by hand misleads nobody."""

_READ: dict[str, Callable[[Shapes], Any]] = {
    "backbone": lambda shapes: _count(shapes, "features"),
    "rates": _rates,
    "conv": _conv,
    "decoder_blocks": lambda shapes: _count(shapes, "decoder"),
    **{name: _width(name) for name in _WIDTHS},
    "low_skip": _low_skip,
}
"""How each axis is read that shapes determine; of the rates, their number."""
