"""The axes of a variant, read from the shapes of its tensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import Variant, layout
from ucseg_cli.references.variants.axes import BY_NAME

Value = TypeVar("Value")
Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
"""Shapes of tensors by name."""

UNSEEN = frozenset({"output_stride", "rates", "head", "dropout"})
"""Axes that no shape depends on; shapes show how many rates there are, not their values."""
BESIDE_RATES = 2
"""Branches of the ASPP beside the atrous ones: the 1×1 conv and the image pooling."""


def expected_shapes(trace: Trace) -> dict[str, Shape]:
    """The tensors that a state dict of the traced network has, by name."""
    return {name: shape for name, shape in trace.state_entries().items() if shape is not None}


def read_axes(shapes: Shapes) -> dict[str, Any]:
    """The value of every axis that *shapes* determine, for rates their number.

    A value that no variant has is left out.
    """
    values = {name: read(shapes) for name, read in _READ.items()}
    return {name: value for name, value in values.items() if _is_accepted(name, value)}


def visible(variant: Variant, axis: str) -> Any:
    """The part of an axis's value that shapes show; None where they show nothing."""
    if axis == "rates":
        return len(variant.rates)
    return None if axis in UNSEEN else getattr(variant, axis)


def _is_accepted(name: str, value: Any) -> bool:
    # None, where nothing was read, is not a value of any axis
    text = ",".join("1" * value) if name == "rates" and value is not None else str(value)
    try:
        BY_NAME[name].parse(text)
    except ValueError:
        return False
    return True


def _count(shapes: Shapes, place: str) -> int | None:
    """The children of the container at *place*, by the highest index; None where it has none."""
    child = re.compile(rf"{re.escape(place)}\.([0-9]{{1,4}})\.")
    indices = [int(match[1]) for match in map(child.match, shapes) if match]
    return max(indices) + 1 if indices else None


def _rates(shapes: Shapes) -> int | None:
    branches = _count(shapes, layout.BRANCHES)
    return None if branches is None else max(branches - BESIDE_RATES, 0)


def _conv(shapes: Shapes) -> str | None:
    """The kind of most 3×3 blocks."""
    return _most_frequent(_kind(name, shape) for name, shape in shapes.items())


def _kind(name: str, shape: Shape) -> str | None:
    if name.startswith((f"{layout.BRANCHES}.", f"{layout.DECODER}.", f"{layout.REFINE}.")):
        if name.endswith(f".{layout.SEPARABLE_START[0]}.weight"):
            return "separable"
        if name.endswith(f".{layout.CONV_NORM[0]}.weight") and shape[2:] == (3, 3):
            return "regular"
    return None


def _most_frequent(values: Iterable[Value | None]) -> Value | None:
    found = Counter(value for value in values if value is not None)
    return found.most_common(1)[0][0] if found else None


def _low_skip(shapes: Shapes) -> int | None:
    """0 where there is nothing of it, and something of the decoder."""
    if any(name.startswith((f"{layout.LOW_CONV}.", f"{layout.REFINE}.")) for name in shapes):
        return _WIDTHS["low_skip"](shapes)
    return 0 if _count(shapes, layout.DECODER) else None


def _width(*places: tuple[str, int]) -> Callable[[Shapes], int | None]:
    """Reads the length that most tensors have in these places: a pattern and a dimension."""
    patterns = [(re.compile(pattern), dimension) for pattern, dimension in places]

    def read(shapes: Shapes) -> int | None:
        return _most_frequent(
            shape[dimension]
            for pattern, dimension in patterns
            for name, shape in shapes.items()
            if pattern.fullmatch(name) and len(shape) > dimension
        )

    return read


def _outputs(*places: str) -> tuple[str, int]:
    """The weights at these places that are as long as their output, where ``#`` is any index."""
    paths = "|".join(map(re.escape, places)).replace(re.escape("#"), "[0-9]+")
    children = (*layout.CONV_NORM, *layout.POOLED_CONV_NORM, *layout.SEPARABLE_END)
    return rf"({paths})\.({'|'.join(children)})\.weight", 0


_CLASSIFIER = re.escape(layout.CLASSIFIER_CONV)
_WIDTHS = {
    "aspp_channels": _width(_outputs(f"{layout.BRANCHES}.#", layout.PROJECT)),
    "mid_channels": _width(_outputs(layout.MID_CONV)),
    "decoder_channels": _width(
        _outputs(f"{layout.DECODER}.#", layout.REFINE), (rf"{_CLASSIFIER}\.weight", 1)
    ),
    "low_skip": _width(_outputs(layout.LOW_CONV)),
    "classes": _width((rf"{_CLASSIFIER}\.(weight|bias)", 0)),
}
"""The axes that are the length of several tensors: one changed by hand misleads no one."""

_READ: dict[str, Callable[[Shapes], Any]] = {
    "backbone": lambda shapes: _count(shapes, layout.FEATURES),
    "rates": _rates,
    "conv": _conv,
    "decoder_blocks": lambda shapes: _count(shapes, layout.DECODER),
    **_WIDTHS,
    "low_skip": _low_skip,
}
"""How each axis is read that shapes determine; for rates their number."""
