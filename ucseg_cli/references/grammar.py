"""The reference grammar: how a user names a model.

    reference  := variant | source ( "+" NAME "=" VALUE )*
    source     := FILE.py ":" NAME | PACKAGE.MODULE ":" NAME | "torchvision:" NAME | CHECKPOINT
    CHECKPOINT := a path with "/", or with an ending of CHECKPOINTS

``variants`` reads a variant and the axes that change it. After a source, names and values are the
keyword arguments with which it is called. The later of two values for one name wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.references.beneath_folder import source_beneath
from ucseg_cli.references.designs import Model
from ucseg_cli.references.sources import (
    LIBRARIES,
    Argument,
    FromCheckpoint,
    FromFile,
    FromLibrary,
    FromModule,
    Source,
)
from ucseg_cli.references.variants import CATALOGUE, Variant, parse_variant

CHECKPOINTS = (
    *(".pt", ".pth", ".pth.tar", ".bin", ".ckpt", ".safetensors", ".index.json"),
    *(".npz", ".pkl", ".pt2"),
)
FILES = (".py", ".ipynb")
_ARGUMENT = re.compile(r"\+(?=[^\W\d]\w*=)")
_SHAPE = "write FILE.py:NAME, PACKAGE.MODULE:NAME or torchvision:NAME"


class Reference(NamedTuple):
    """A model as it was named, and what the name stands for."""

    name: str
    model: Model

    @property
    def variant(self) -> Variant | None:
        """The variant, if it is one of the family."""
        return self.model if isinstance(self.model, Variant) else None


def parse_reference(
    text: str,
    named: Mapping[str, Variant] = CATALOGUE,
    *,
    where: Where = None,
    beside: Path | None = None,
    beneath: Path | None = None,
) -> Reference:
    """The model that *text* names: a variant among those *named*, or a source, not yet opened.

    A file that is not in the working directory is looked for in the folder *beside*; what a file of
    the project says may only name what stands *beneath* its folder. Raises UsageError, with the
    nearest known name for an unknown variant, axis or value.
    """
    text = text.strip()
    source = find_source(text, where=where, beside=beside, beneath=beneath)
    if source is not None:
        return Reference(text, source)
    try:
        return Reference(text, parse_variant(text, named, where=where))
    except UnknownNameError as error:
        if beneath or not Path(text).is_file():
            raise
        fix = f"to name it as a checkpoint, write ./{text}"
        raise UsageError(f"'{text}' is not a variant", where=where, help=fix) from error


def find_source(
    text: str, *, where: Where = None, beside: Path | None = None, beneath: Path | None = None
) -> Source | None:
    """The source that *text* names; None if it is not the name of one. See parse_reference."""
    source = _parse_source(text, where)
    if source is None:
        return None
    return source_beneath(source, beneath, where) if beneath else _found(source, beside)


def is_source(text: str) -> bool:
    """Whether it begins as the name of something in a file or module does."""
    place = _ARGUMENT.split(text.strip())[0].rpartition(":")[0]
    return place.endswith(FILES) or "/" in place or "\\" in place or _is_dotted(place)


def with_axes(reference: str, axes: Mapping[str, str]) -> str:
    """The reference of a variant with some axes set to other values."""
    name, *assignments = reference.split("+")
    changed = dict(assignment.split("=", 1) for assignment in assignments) | dict(axes)
    return "+".join((name, *(f"{axis}={value}" for axis, value in changed.items())))


def _found(source: Source, beside: Path | None) -> Source:
    """The source with its file as it is found from here."""
    if beside is None or not isinstance(source, FromFile | FromCheckpoint):
        return source
    path = beside / source.path
    is_there = not Path(source.path).exists() and path.exists()
    return source._replace(path=str(path)) if is_there else source


def _parse_source(text: str, where: Where) -> Source | None:
    head, *assignments = _ARGUMENT.split(text)
    place, colon, name = head.rpartition(":")
    if not colon:
        return _parse_checkpoint(head, assignments, where or text)
    if place.endswith(".ipynb"):
        fix = f"save the class to a .py file, and name it as in net.py:{name or 'Net'}"
        raise UsageError(f"{place} is a notebook", where=where or text, help=fix)
    if not place or not _is_dotted(name):
        missing = f"which class of {place} is meant" if place and not name else "what it names"
        raise UsageError(f"'{head}' does not say {missing}", where=where, help=_SHAPE)
    arguments = _parse_arguments(assignments)
    if place in LIBRARIES:
        return FromLibrary(place, name, arguments)
    if place.endswith(".py") or "/" in place or "\\" in place:
        return FromFile(place, name, arguments)
    if not _is_dotted(place):
        what = f"'{place}' is neither a Python file nor a module"
        raise UsageError(what, where=where or text, help=_SHAPE)
    return FromModule(place, name, arguments)


def _is_dotted(text: str) -> bool:
    """Whether it is a name of Python's, or several with dots between them."""
    return all(part.isidentifier() for part in text.split("."))


def _parse_checkpoint(path: str, assignments: Iterable[str], where: Where) -> FromCheckpoint | None:
    if path.endswith(FILES):
        raise UsageError(
            f"'{path}' does not say which class is meant",
            where=where,
            help=f"write {path}:NAME, as in {path}:Net",
        )
    if "/" not in path and not path.lower().endswith(CHECKPOINTS):
        return None
    arguments = {argument.name: argument.text for argument in _parse_arguments(assignments)}
    for name in arguments.keys() - {"key"}:
        raise UnknownNameError("argument of a checkpoint", name, ("key",), where=where)
    return FromCheckpoint(path, arguments.get("key"))


def _parse_arguments(assignments: Iterable[str]) -> tuple[Argument, ...]:
    given = dict(assignment.split("=", 1) for assignment in assignments)
    return tuple(Argument(name, text) for name, text in given.items())
