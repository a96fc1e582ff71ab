"""The reference grammar: how a user names a model.

    reference  := variant | source ( "+" NAME "=" VALUE )*
    source     := FILE.py ":" NAME | PACKAGE.MODULE ":" NAME | LIBRARY ":" NAME | CHECKPOINT
    LIBRARY    := "torchvision" | "timm" | "smp"
    CHECKPOINT := a path with "/", or with an ending of CHECKPOINTS or OTHERS

``variants`` reads a variant and the axes that change it. After a source, names and values are the
keyword arguments with which it is called. The later of two values for one name wins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.references.beneath_folder import source_beneath
from ucseg_cli.references.designs import Model
from ucseg_cli.references.libraries import LIBRARIES
from ucseg_cli.references.sources import (
    Argument,
    FromCheckpoint,
    FromFile,
    FromLibrary,
    FromModule,
    OwnCode,
    Source,
)
from ucseg_cli.references.variants import CATALOGUE, Variant, parse_variant

CHECKPOINTS = (
    *(".pt", ".pth", ".pth.tar", ".bin", ".ckpt", ".safetensors", ".index.json"),
    *(".npz", ".pkl", ".pt2"),
)
OTHERS = (
    ".onnx",
    ".h5",
    ".hdf5",
    ".keras",
    ".pb",
    ".tflite",
    ".msgpack",
    ".gguf",
    ".npy",
    ".index",
)
"""Endings of weights that are not read, and are called what they are when they are opened."""
_ARGUMENT = re.compile(r"\+(?=[^\W\d]\w*=)")
_CODE = re.compile(r"\.(py\w?|ipynb)$", re.IGNORECASE)
"""Endings of files of code; of these only ``.py`` itself is imported."""
_OF_LIBRARIES = " or ".join(f"{library}:NAME" for library in LIBRARIES)
_SHAPE = f"write FILE.py:NAME, PACKAGE.MODULE:NAME, {_OF_LIBRARIES}"


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
    named: Mapping[str, Model] = CATALOGUE,
    *,
    where: Where = None,
    beside: Path | None = None,
    beneath: Path | None = None,
) -> Reference:
    """The model that *text* names: one of those *named*, or a source, not yet opened.

    A file that is not in the working directory is looked for in the folder *beside*; what a file of
    the project says may only name what stands *beneath* its folder. Raises UsageError, with the
    nearest known name for an unknown variant, axis or value.
    """
    text = text.strip()
    if (alias := _parse_alias(text, named, where)) is not None:
        return Reference(text, alias)
    source = find_source(text, where=where, beside=beside, beneath=beneath)
    if source is not None:
        return Reference(text, source)
    try:
        return Reference(text, parse_variant(text, named, where=where))
    except UnknownNameError as error:
        if beneath or not os.path.exists(text):  # noqa: PTH110 - never raises
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
    return _is_file(place) or _is_dotted(place)


def _parse_alias(text: str, named: Mapping[str, Model], where: Where) -> Source | None:
    """The source that a name stands for, with the arguments that follow it."""
    head, *assignments = _ARGUMENT.split(text)
    name = head.partition("+")[0]
    source = named.get(name)
    if source is None or isinstance(source, Variant):
        return None
    if head != name:
        what = f"'{head.removeprefix(name)}' does not say what to change"
        raise UsageError(what, where=where or text, help=f"write {name}+NAME=VALUE")
    return with_arguments(source, _parse_arguments(assignments), where or text)


def with_arguments(source: Source, arguments: Sequence[Argument], where: Where) -> Source:
    """The same source with more arguments; the later of two values for one wins."""
    if not arguments:
        return source
    if isinstance(source, FromCheckpoint):
        raise UsageError(f"{source} is a checkpoint, which takes no arguments", where=where)
    given = {argument.name: argument for argument in (*source.arguments, *arguments)}
    return source._replace(arguments=tuple(given.values()))


def parse_source(text: str) -> OwnCode | None:
    """A Python file or a module as a whole, as a source without a name; None for anything else."""
    text = text.strip()
    if text.endswith(".py"):
        return FromFile(text, "")
    is_module = "." in text and _is_dotted(text) and not text.lower().endswith(CHECKPOINTS)
    return FromModule(text, "") if is_module else None


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
    is_file = _is_file(place)
    if is_file and not place.endswith(".py"):
        raise _not_python(place, name or "NAME", where or text)
    if not place or not _is_dotted(name):
        missing = f"which class of {place} is meant" if place and not name else "what it names"
        raise UsageError(f"'{head}' does not say {missing}", where=where, help=_SHAPE)
    arguments = _parse_arguments(assignments)
    if place in LIBRARIES:
        return FromLibrary(place, name, arguments)
    if is_file:
        return FromFile(place, name, arguments)
    if not _is_dotted(place):
        what = f"'{place}' is neither a Python file nor a module"
        raise UsageError(what, where=where or text, help=_SHAPE)
    return FromModule(place, name, arguments)


def _is_file(place: str) -> bool:
    """Whether a file was meant rather than a module, which has dots but no ending."""
    if _CODE.search(place) or "/" in place or "\\" in place:
        return True
    return bool(Path(place).suffix) and Path(place).is_file()


def _not_python(path: str, name: str, where: Where) -> UsageError:
    if path.lower().endswith(CHECKPOINTS):
        fix = f"it has no classes: write {path}, or {path}+key={name} for one state dict of several"
        return UsageError(f"{path} is a checkpoint", where=where, help=fix)
    ending = _CODE.search(path)
    notebook = ending is not None and ending[1].lower() == "ipynb"
    what = f"{path} is a notebook" if notebook else f"{path} does not end with .py"
    python = f"{path[: ending.start()]}.py" if ending else "net.py"
    way = f"save its code as {python}, and write" if ending else "as in"
    return UsageError(
        what, where=where, help=f"a model is read from a .py file; {way} {python}:{name}"
    )


def _is_dotted(text: str) -> bool:
    """Whether it is a name of Python's, or several with dots between them."""
    return all(part.isidentifier() for part in text.split("."))


def _parse_checkpoint(path: str, assignments: Iterable[str], where: Where) -> FromCheckpoint | None:
    if _CODE.search(path) and not path.endswith(".py"):
        raise _not_python(path, "NAME", where)
    if path.endswith(".py"):
        raise UsageError(
            f"'{path}' does not say which class is meant",
            where=where,
            help=f"write {path}:NAME, as in {path}:Net",
        )
    if "/" not in path and not path.lower().endswith((*CHECKPOINTS, *OTHERS)):
        return None
    arguments = {argument.name: argument.text for argument in _parse_arguments(assignments)}
    for name in arguments.keys() - {"key"}:
        raise UnknownNameError("argument of a checkpoint", name, ("key",), where=where)
    return FromCheckpoint(path, arguments.get("key"))


def _parse_arguments(assignments: Iterable[str]) -> tuple[Argument, ...]:
    given = dict(assignment.split("=", 1) for assignment in assignments)
    return tuple(Argument(name, text) for name, text in given.items())
