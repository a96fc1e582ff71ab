"""Values of Python as the texts that the options of the command line take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ucseg_cli.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ucseg_cli.references import Reference

    Model = str | nn.Module | Reference
    Inputs = str | Tensor | Sequence[Tensor] | Mapping[str, Tensor]

Size = int | str | tuple[int, int]
Texts = str | Iterable[str]
Limits = Mapping[str, int | str] | Texts
Choices = Mapping[str, Any] | Texts

ASSIGNED = ("max", "min", "vary")
"""Options of the form NAME=VALUE, which a dictionary gives as well."""


def as_text(option: str, value: Any) -> Any:
    """The text that the option takes, or several of them; flags and None stay what they are."""
    if value is None or isinstance(value, bool | str | Path):
        return value
    if option == "input":
        return input_text(value)
    if option == "size":
        return [*map(size_text, value)] if isinstance(value, list) else size_text(value)
    if option in ASSIGNED and isinstance(value, Mapping):
        return [f"{name}={_choices_text(one)}" for name, one in value.items()]
    if isinstance(value, Iterable):
        return [str(as_text("", one)) for one in value]
    return str(value)


def size_text(size: Size) -> str:
    """``512`` or ``384x640``, of a number, of height and width, or of the text itself."""
    if isinstance(size, tuple):
        return "x".join(map(str, size))
    return str(size)


def input_text(inputs: Any) -> str:
    """Shapes and element types of tensors, as ``--input`` takes them; values do not matter.

    Raises UsageError for anything but tensors.
    """
    if isinstance(inputs, Mapping):
        return ",".join(f"{name}={_tensor_text(one)}" for name, one in inputs.items())
    several = inputs if isinstance(inputs, list | tuple) else (inputs,)
    return ",".join(map(_tensor_text, several))


def _tensor_text(tensor: Any) -> str:
    if not (hasattr(tensor, "shape") and hasattr(tensor, "dtype")):
        what = f"input= takes tensors, and {type(tensor).__name__} is none"
        fix = "give a tensor, a list of them or a dict by keyword, or a text as for --input"
        raise UsageError(what, where="input=", help=fix)
    sides = "x".join(map(str, tensor.shape))
    return f"{sides}:{str(tensor.dtype).removeprefix('torch.')}"


def _choices_text(values: Any) -> str:
    """``8..11/1`` of a range, ``32,48`` or ``6,12|6,12,18`` of several values, else the value."""
    if isinstance(values, range):
        return f"{values.start}..{values[-1]}/{values.step}" if values else ""
    if isinstance(values, str) or not isinstance(values, Iterable):
        return str(values)
    several = list(values)
    inner = [_sequence_text(one) for one in several]
    are_sequences = any(isinstance(one, list | tuple) for one in several)
    return ("|" if are_sequences else ",").join(inner)


def _sequence_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
