"""Spaces of the family and of nothing real, and the figures of the one whose traces are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ucseg_cli.references import Reference
from ucseg_cli.references.space import Space, VariedAxis
from ucseg_cli.references.variants import CATALOGUE
from ucseg_cli.references.vary import family_axes, parse_values

STORED = {
    "backbone": "10,11",
    "rates": "6,12|6,12,18",
    "conv": "regular,separable",
    "decoder_blocks": "1,2",
}
"""All variants between v1 and v2, of which traces are stored at 224 and at 512."""


def family_space(name: str, vary: Mapping[str, str]) -> Space:
    """The space around a named variant."""
    base = Reference(name, CATALOGUE[name])
    axes = family_axes(CATALOGUE[name])
    texts = {axis: parse_values(text, axes[axis], None) for axis, text in vary.items()}
    return Space(base, tuple(axes[axis].vary(found, None) for axis, found in texts.items()))


def made_up_space(radices: Sequence[int], base: Sequence[int] | None = None) -> Space:
    """A space of axes ``a``, ``b``… with the values 0, 1…; the base has the first of each."""
    names = "abcdefgh"[: len(radices)]
    digits = base or [0] * len(radices)
    axes = (
        VariedAxis(name, tuple(map(str, range(radix))), str(digit))
        for name, radix, digit in zip(names, radices, digits, strict=True)
    )
    return Space(Reference("net.py:Net", CATALOGUE["v2"]), tuple(axes))
