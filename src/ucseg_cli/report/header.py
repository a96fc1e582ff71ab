"""The conditions under which an answer holds, for the header of a screen and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ucseg_cli.analysis.conventions import Convention
from ucseg_cli.conditions import DTYPE, Conditions
from ucseg_cli.units import format_shape


def shown_conditions(conditions: Sequence[Conditions], convention: Convention | None = None) -> dict[str, str]:
    """In words, in the order to show them."""
    return {
        **({"input": ", ".join(format_shape(each.shape) for each in conditions)} if conditions else {}),
        "dtype": DTYPE,
        "mode": "eval",
        **({"convention": f"{convention.name} ({convention.unit})"} if convention else {}),
    }


def raw_conditions(conditions: Sequence[Conditions], convention: Convention | None = None) -> dict[str, Any]:
    """As numbers; ``inputs`` has one shape for each size that was asked for."""
    return {
        "inputs": [list(each.shape) for each in conditions],
        "dtype": DTYPE,
        "mode": "eval",
        **({"convention": convention.name} if convention else {}),
    }
