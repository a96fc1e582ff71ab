"""Variants and conditions for hypothesis: any at all, and a few whose traces are stored."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references.variants import AXES, Variant

VALUES = {
    "backbone": (4, 13, 7, 11, 9, 12, 5, 10),
    "output_stride": (32, 16, 16, 32, 16, 32, 32, 16),
    "rates": ((6, 12), (1,), (18, 5, 5), (2, 20, 9, 4), (7,), (3, 6, 9), (12, 1), (20, 18, 1)),
    "conv": ("separable", "regular", "regular", "separable") * 2,
    "decoder_blocks": (2, 1, 3, 2, 1, 3, 1, 2),
    "aspp_channels": (8, 1, 12, 5, 7, 2, 11, 4),
    "mid_channels": (3, 12, 1, 6, 9, 4, 10, 2),
    "decoder_channels": (12, 4, 7, 1, 10, 6, 3, 9),
    "low_skip": (0, 8, 0, 3, 1, 0, 5, 2),
    "head": ("before-upsample", "after-upsample") * 4,
    "dropout": (0.1, 0.0, 0.99, 0.3, 0.5, 0.1, 0.25, 0.0),
    "classes": (2, 9, 21, 5, 3, 2, 7, 4),
}
"""One value of each axis for each stored variant, read downwards."""

STORED_VARIANTS = tuple(
    Variant(*values) for values in zip(*(VALUES[axis.name] for axis in AXES), strict=True)
)
STORED_CONDITIONS = (
    Conditions(Size(1, 1), 1),
    Conditions(Size(9, 4), 2),
    Conditions(Size(65, 33), 1),
    Conditions(Size(64, 96), 3),
)
"""One pixel, odd and even sides, hardly square, and batches."""


def any_variant() -> SearchStrategy[Variant]:
    """Any variant, its widths small."""
    return st.builds(
        Variant,
        backbone=st.integers(4, 13),
        output_stride=st.sampled_from([32, 16]),
        rates=st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple),
        conv=st.sampled_from(["regular", "separable"]),
        decoder_blocks=st.integers(1, 3),
        aspp_channels=st.integers(1, 12),
        mid_channels=st.integers(1, 12),
        decoder_channels=st.integers(1, 12),
        low_skip=st.integers(0, 8),
        head=st.sampled_from(["after-upsample", "before-upsample"]),
        dropout=st.integers(0, 99).map(lambda percent: percent / 100),
        classes=st.integers(2, 9),
    )


def any_small_conditions() -> SearchStrategy[Conditions]:
    """Inputs odd and even, rarely square, down to one pixel, of one to three images."""
    side = st.one_of(st.integers(1, 9), st.integers(10, 100))
    return st.builds(
        Conditions, st.builds(Size, side, side), st.integers(1, 3), st.none(), st.none()
    )
