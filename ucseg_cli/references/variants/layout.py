"""The module paths of the family, written once; a test holds the networks to them."""

from __future__ import annotations

FEATURES = "features"
ASPP = "aspp"
BRANCHES = f"{ASPP}.branches"
PROJECT = f"{ASPP}.project"
MID_CONV = "mid_conv"
DECODER = "decoder"
LOW_CONV = "low_conv"
REFINE = "refine"
CLASSIFIER = "classifier"

FIRST_BRANCH = f"{BRANCHES}.0"
CLASSIFIER_CONV = f"{CLASSIFIER}.1"
"""The conv after the dropout."""
LOW_TAP, MID_TAP = f"{FEATURES}.1", f"{FEATURES}.3"

PARTS = (FEATURES, ASPP, MID_CONV, DECODER, LOW_CONV, REFINE, CLASSIFIER)
"""The children of the network; ``low_conv`` and ``refine`` only with a low-level skip."""

CONV_NORM = ("0", "1")
"""A regular block, or a 1×1 conv: the conv and its batch norm."""
SEPARABLE_START, SEPARABLE_END = ("depthwise", "bn1"), ("pointwise", "bn2")
"""The two halves of a separable block, each a conv and its batch norm."""
POOLED_CONV_NORM = ("1", "2")
"""The last branch of the ASPP pools before its conv."""


def branch_index(path: str) -> int | None:
    """The index of the ASPP branch that the module at *path* is or belongs to."""
    above, found, rest = path.partition(f"{BRANCHES}.")
    index = rest.partition(".")[0]
    return int(index) if found and not above and index.isdecimal() else None
