"""Shell completion of a reference. A user's file is read as text, and never run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ucseg_cli.errors import UcsegError
from ucseg_cli.references.libraries import LIBRARIES, network_names
from ucseg_cli.system.plain_file import read_plain_file


def complete_reference(incomplete: str, *, with_spaces: bool = False) -> list[str]:
    """How a reference may go on: axes, a file's classes, a library's networks, a checkpoint.

    *with_spaces* also the names of spaces.
    """
    head, plus, last = incomplete.rpartition("+")
    if ".py:" in incomplete:
        return [] if plus else list(_classes(incomplete))
    library, colon, begun = incomplete.partition(":")
    if colon and library in LIBRARIES:
        return [] if plus else [f"{library}:{name}" for name in _networks(library, begun)]
    if plus:
        return [f"{head}+{change}" for change in _assignments() if change.startswith(last)]
    known = [*_named(), *(_spaces() if with_spaces else ())]
    named = [name for name in known if name.startswith(last)]
    if last:
        named += [f"{library}:" for library in LIBRARIES if library.startswith(last)]
    return [*named, *(_files(last) if last else ())]


def complete_vary(incomplete: str, words: Iterable[str] = ()) -> list[str]:
    """The axes of the family that may be varied, and values of one; none of any other design."""
    from ucseg_cli.references.variants import AXES
    from ucseg_cli.references.variants.axis_values import Choice

    if any(":" in word for word in words):
        return []
    closed = [f"{axis.name}=*" for axis in AXES if isinstance(axis.parse, Choice)]
    offered = [f"{axis.name}=" for axis in AXES]
    if "=" in incomplete:
        offered = [*closed, *_assignments()]
    return [text for text in offered if text.startswith(incomplete)]


def _named() -> list[str]:
    from ucseg_cli.references.variants import CATALOGUE
    from ucseg_cli.workflow.load_project import load_project

    try:
        return list(load_project().variants)
    except UcsegError:  # a broken configuration still has the named variants
        return list(CATALOGUE)


def _networks(library: str, begun: str) -> list[str]:
    try:
        return [name for name in network_names(library) if name.startswith(begun)]
    except UcsegError:  # it is not installed
        return []


def _spaces() -> list[str]:
    from ucseg_cli.workflow.load_project import load_project

    try:
        return list(load_project().spaces)
    except UcsegError:
        return []


def _assignments() -> Iterator[str]:
    from ucseg_cli.references.variants import AXES

    return (f"{axis.name}={value}" for axis in AXES for value in axis.examples)


def _files(begun: str) -> Iterator[str]:
    """Folders, Python files and checkpoints whose path begins like this."""
    from ucseg_cli.references.grammar import CHECKPOINTS

    folder, slash, name = begun.rpartition("/")
    try:
        inside = sorted(Path(folder or slash or ".").iterdir())
    except OSError:
        return
    for path in inside:
        ending = "/" if path.is_dir() else ":" if path.suffix == ".py" else ""
        is_model = ending or path.suffix.lower() in CHECKPOINTS
        if is_model and path.name.startswith(name):
            yield f"{folder}{slash}{path.name}{ending}"


def _classes(begun: str) -> Iterator[str]:
    """The classes and functions of a file, as far as it can be read."""
    import ast

    file, _, name = begun.rpartition(":")
    try:
        statements = ast.parse(read_plain_file(Path(file))).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    named = (ast.ClassDef, ast.FunctionDef)
    for statement in statements:
        if isinstance(statement, named) and statement.name.startswith(name):
            yield f"{file}:{statement.name}"
