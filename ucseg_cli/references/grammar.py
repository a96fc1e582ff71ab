"""The reference grammar: how a person names a model.

    reference  := variant | source ( "+" NAME "=" VALUE )*
    source     := FILE.py ":" NAME | PACKAGE.MODULE ":" NAME | "torchvision:" NAME | CHECKPOINT
    CHECKPOINT := a path that contains "/" or ends in .pt, .pth, .pth.tar, .bin, .ckpt or .safetensors

A variant and the axes that change it are as ``variants`` reads them; after a source, names and values are the
keyword arguments with which it is called. Of two values for one name the later wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.references.sources import (
    Argument,
    FromCheckpoint,
    FromFile,
    FromModule,
    FromTorchvision,
    Source,
)
from ucseg_cli.references.variants import CATALOGUE, Variant, parse_variant

Model = Variant | Source

CHECKPOINTS = (".pt", ".pth", ".pth.tar", ".bin", ".ckpt", ".safetensors")
_ARGUMENT = re.compile(r"\+(?=[A-Za-z_]\w*=)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SHAPE = "write FILE.py:NAME, PACKAGE.MODULE:NAME or torchvision:NAME"


class Reference(NamedTuple):
    """A model as it was named, and what the name stands for."""

    name: str
    model: Model

    @property
    def variant(self) -> Variant | None:
        """The variant, where it is one of the family."""
        return self.model if isinstance(self.model, Variant) else None


def parse_reference(
    text: str, named: Mapping[str, Variant] = CATALOGUE, *, where: str | None = None
) -> Reference:
    """The model that *text* names: a variant among those *named*, or a source, which nobody has looked at yet.

    Raises UsageError (unknown variant, axis or value; what is no reference), each with the nearest known name.
    """
    text = text.strip()
    source = _parse_source(text, where)
    return Reference(text, parse_variant(text, named, where=where) if source is None else source)


def _parse_source(text: str, where: str | None) -> Source | None:
    head, *assignments = _ARGUMENT.split(text)
    place, colon, name = head.rpartition(":")
    if not colon:
        return _parse_checkpoint(head, assignments, where or text)
    if not place or not _DOTTED.fullmatch(name):
        missing = f"which class of {place} is meant" if place and not name else "what it names"
        raise UsageError(f"'{head}' does not say {missing}", where=where, help=_SHAPE)
    arguments = _parse_arguments(assignments)
    if place == "torchvision":
        return FromTorchvision(name, arguments)
    if place.endswith(".py") or "/" in place or "\\" in place:
        return FromFile(place, name, arguments)
    if not _DOTTED.fullmatch(place):
        raise UsageError(
            f"'{place}' is neither a Python file nor a module", where=where or text, help=_SHAPE
        )
    return FromModule(place, name, arguments)


def _parse_checkpoint(path: str, assignments: Iterable[str], where: str) -> FromCheckpoint | None:
    if path.endswith(".py"):
        raise UsageError(
            f"'{path}' does not say which class is meant",
            where=where,
            help=f"write {path}:NAME, as in {path}:Net",
        )
    if "/" not in path and not path.lower().endswith(CHECKPOINTS):
        return None
    arguments = {argument.name: argument.text for argument in _parse_arguments(assignments)}
    for name in arguments:
        if name != "key":
            raise UnknownNameError("argument of a checkpoint", name, ("key",), where=where)
    return FromCheckpoint(path, arguments.get("key"))


def _parse_arguments(assignments: Iterable[str]) -> tuple[Argument, ...]:
    given = dict(assignment.split("=", 1) for assignment in assignments)
    return tuple(Argument(name, text) for name, text in given.items())
