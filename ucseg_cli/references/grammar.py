"""The reference grammar: how a user names a model.

    reference  := variant | source ( "+" NAME "=" VALUE )*
    source     := own ( "@" REVISION )? | LIBRARY ":" NAME | CHECKPOINT
    own        := FILE.py ":" NAME | PACKAGE.MODULE ":" NAME
    LIBRARY    := "torchvision" | "timm" | "smp"
    CHECKPOINT := a path with "/", or with an ending of CHECKPOINTS or OTHERS

``variants`` reads a variant and the axes that change it. After a source, names and values are the
keyword arguments with which it is called. The later of two values for one name wins. A REVISION is
whatever git takes for one, up to the first "+NAME="; ``NAME@REVISION`` is a variant as the
project's configuration had it there. A VALUE in quotes may hold "+NAME=".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.errors import AbsentError, UnknownNameError, UsageError, Where
from ucseg_cli.references.beneath_folder import source_beneath
from ucseg_cli.references.designs import Model
from ucseg_cli.references.libraries import LIBRARIES
from ucseg_cli.references.sources import (
    ASSIGNS,
    Argument,
    FromCheckpoint,
    FromFile,
    FromLibrary,
    FromModule,
    OwnCode,
    Source,
    Unbuildable,
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
_ASSIGNMENT = re.compile(
    rf"""{ASSIGNS.pattern}(?:"[^"]*"|'[^']*'|.*?)(?={ASSIGNS.pattern}|$)""", re.DOTALL
)
"""An argument in a reference; in a value in quotes no other begins."""
_CODE = re.compile(r"\.(py\w?|ipynb)$", re.IGNORECASE)
"""Endings of files of code; of these only ``.py`` itself is imported."""
_AT = re.compile(r"(?P<named>.+?:[^\W\d]\w*(?:\.[^\W\d]\w*)*|[^:@]+)@(?P<revision>.*)", re.DOTALL)
"""A source and its revision, or a name of the configuration and its revision."""
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


def no_names(revision: str, where: Where) -> Mapping[str, Model]:
    """The names of a configuration at a revision, where there is no configuration."""
    what = f"there is no configuration whose names could be looked up at '{revision}'"
    raise UsageError(what, where=where, help="name a file, as in net.py:Net@main")


def parse_reference(
    text: str,
    named: Mapping[str, Model] = CATALOGUE,
    *,
    where: Where = None,
    beside: Path | None = None,
    beneath: Path | None = None,
    named_at: Callable[[str, Where], Mapping[str, Model]] = no_names,
) -> Reference:
    """The model that *text* names: one of those *named*, or a source, not yet opened.

    A file that is not in the working directory is looked for in the folder *beside*; what a file of
    the project says may only name what stands *beneath* its folder. *named_at* has the names of a
    revision. Raises UsageError, with the nearest known name for an unknown variant, axis or value.
    """
    text = text.strip()
    plain, revision = split_revision(text)
    if revision is not None and ":" not in plain.partition("+")[0]:
        return Reference(text, _named_at(plain, revision, named, named_at, where or text))
    if revision is None and (alias := _parse_alias(text, named, where)) is not None:
        return Reference(text, alias)
    source = _parse_source(plain, where or text if revision else where)
    if revision is not None:
        source = _at(source, revision, where or text)
    if source is not None:
        source = source_beneath(source, beneath, where) if beneath else _found(source, beside)
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
    place = split_assignments(text.strip())[0].rpartition(":")[0]
    return _is_file(place) or _is_dotted(place)


def _parse_alias(text: str, named: Mapping[str, Model], where: Where) -> Source | None:
    """The source that a name stands for, with the arguments that follow it."""
    head, *assignments = split_assignments(text)
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
    if isinstance(source, Unbuildable):
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


def split_revision(text: str) -> tuple[str, str | None]:
    """A reference without its revision, and that; a path with ``@`` that is there has none."""
    head, *assignments = split_assignments(text)
    match = _AT.fullmatch(head)
    if match is None or Path(head).exists() or _is_path(match["named"], head):
        return text, None
    arguments = "".join(f"+{assignment}" for assignment in assignments)
    return f"{match['named']}{arguments}", match["revision"]


def at_other_revision(text: str, revision: str, where: Where) -> str:
    """The reference of the same model at a revision; raises UsageError if it has one."""
    plain, known = split_revision(text)
    if known is not None:
        what = f"'{text}' is at a revision already"
        raise UsageError(what, where=where, help=f"write {plain}, or leave {where} out")
    head, *assignments = split_assignments(text)
    return "".join((f"{head}@{revision}", *(f"+{assignment}" for assignment in assignments)))


def split_assignments(text: str) -> list[str]:
    """The name of a reference, then each ``NAME=VALUE`` that changes it."""
    first = ASSIGNS.search(text)
    if first is None:
        return [text]
    assignments = _ASSIGNMENT.findall(text, first.start())
    return [text[: first.start()], *(assignment[1:] for assignment in assignments)]


def with_axes(reference: str, axes: Mapping[str, str]) -> str:
    """The reference of a model with some axes set to other values."""
    name, *assignments = split_assignments(reference)
    changed = dict(assignment.split("=", 1) for assignment in assignments) | dict(axes)
    return "+".join((name, *(f"{axis}={value}" for axis, value in changed.items())))


def _named_at(
    plain: str,
    revision: str,
    named: Mapping[str, Model],
    named_at: Callable[[str, Where], Mapping[str, Model]],
    where: Where,
) -> Model:
    """The model of a name of the configuration, as that stood at a revision."""
    name = plain.partition("+")[0]
    if _is_checkpoint(name):
        what = f"{name} is a checkpoint, which is read from the disk"
        fix = f"`git show {revision}:./{name} > other.pt` writes it as it was"
        raise UsageError(what, where=where, help=fix)
    if name in CATALOGUE:
        what = f"{name} is built into ucseg, and is the same at every revision"
        fix = "name a model of your own, as in net.py:Net@main"
        raise UsageError(what, where=where, help=fix)
    known = named_at(revision, where)
    if name in named and name not in known:
        notes = (f"known there: {', '.join(known)}",)
        raise AbsentError(f"'{name}' is new since {revision}", where=where, notes=notes)
    alias = _parse_alias(plain, known, where)
    if alias is not None:
        return _at(alias, revision, where) if isinstance(alias, OwnCode) else alias
    return parse_variant(plain, known, where=where)


def _at(source: Source | None, revision: str, where: Where) -> Source:
    if isinstance(source, FromFile | FromModule):
        return source._replace(revision=revision)
    name = str(source).partition(":")[0]
    what = f"{source} is {name}'s, as it is installed, and no revision of this repository has it"
    raise UsageError(what, where=where, help=f"write {source}")


def _is_path(named: str, head: str) -> bool:
    """Whether a word has its ``@`` in the path of a checkpoint or of a file, there or not."""
    if ":" in named or _is_checkpoint(named):
        return False
    return _is_checkpoint(head) or "/" in named or ".py:" in head


def _is_checkpoint(path: str) -> bool:
    return path.lower().endswith((*CHECKPOINTS, *OTHERS))


def _found(source: Source, beside: Path | None) -> Source:
    """The source with its file as it is found from here."""
    if beside is None or not isinstance(source, FromFile | FromCheckpoint):
        return source
    path = beside / source.path
    is_there = not Path(source.path).exists() and path.exists()
    return source._replace(path=str(path)) if is_there else source


def _parse_source(text: str, where: Where) -> Source | None:
    head, *assignments = split_assignments(text)
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
    if "/" not in path and not _is_checkpoint(path):
        return None
    arguments = {argument.name: argument.text for argument in _parse_arguments(assignments)}
    for name in arguments.keys() - {"key"}:
        raise UnknownNameError("argument of a checkpoint", name, ("key",), where=where)
    return FromCheckpoint(path, arguments.get("key"))


def _parse_arguments(assignments: Iterable[str]) -> tuple[Argument, ...]:
    given = dict(assignment.split("=", 1) for assignment in assignments)
    return tuple(Argument(name, text) for name, text in given.items())
