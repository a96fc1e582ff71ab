"""The conditions under which an answer holds, for the header of a screen and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.facts.choices import DTYPE
from ucseg_cli.facts.conditions import Conditions, Example, Input
from ucseg_cli.facts.training import Training


def shown_conditions(
    conditions: Sequence[Conditions], convention: Convention | None = None
) -> dict[str, str]:
    """In words, in the order to show them."""
    return {
        **({"input": ", ".join(condition.shown for condition in conditions)} if conditions else {}),
        "dtype": _dtypes(conditions),
        **_mode(conditions),
        **({"convention": f"{convention.name} ({convention.unit})"} if convention else {}),
    }


def raw_conditions(
    conditions: Sequence[Conditions], convention: Convention | None = None
) -> dict[str, Any]:
    """As numbers; ``inputs`` has the shape of each tensor, one for each size that was asked for.

    ``input_names`` are their keywords and keys, ``examples`` the functions, where there are any.
    """
    inputs, training = _inputs(conditions), _training(conditions)
    names = [tensor.name for tensor in inputs]
    examples = [str(one.given) for one in conditions if isinstance(one.given, Example)]
    return {
        "inputs": [list(tensor.shape) for tensor in inputs],
        **({"input_names": names} if any(names) else {}),
        **({"examples": examples} if examples else {}),
        "dtype": _dtypes(conditions),
        "mode": "train" if training else "eval",
        **({"training": training._asdict()} if training else {}),
        **({"convention": convention.name} if convention else {}),
    }


def _mode(conditions: Sequence[Conditions]) -> dict[str, str]:
    training = _training(conditions)
    return {"mode": "train", "step": str(training)} if training else {"mode": "eval"}


def _training(conditions: Sequence[Conditions]) -> Training | None:
    return next((one.training for one in conditions if one.training), None)


def _inputs(conditions: Sequence[Conditions]) -> list[Input]:
    return [tensor for condition in conditions for tensor in condition.inputs]


def _dtypes(conditions: Sequence[Conditions]) -> str:
    return ", ".join(dict.fromkeys(tensor.dtype for tensor in _inputs(conditions))) or DTYPE
