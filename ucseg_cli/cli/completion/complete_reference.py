"""Shell completion of a reference: what is in a person's file is read in its text, and never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ucseg_cli.errors import UcsegError


def complete_reference(incomplete: str) -> list[str]:
    """How a reference may go on: a variant and its axes, a file and the classes in it, a checkpoint."""
    head, plus, last = incomplete.rpartition("+")
    if ".py:" in incomplete:
        return [] if plus else list(_classes(incomplete))
    if plus:
        return [
            f"{head}+{assignment}" for assignment in _assignments() if assignment.startswith(last)
        ]
    return [*(name for name in _named() if name.startswith(last)), *(_files(last) if last else ())]


def _named() -> list[str]:
    from ucseg_cli.references.variants import CATALOGUE
    from ucseg_cli.workflow.load_project import load_project

    try:
        return list(load_project().variants)
    except UcsegError:  # a broken configuration is no reason to complete nothing
        return list(CATALOGUE)


def _assignments() -> Iterator[str]:
    from ucseg_cli.references.variants import AXES

    return (f"{axis.name}={value}" for axis in AXES for value in axis.examples)


def _files(begun: str) -> Iterator[str]:
    """Folders, Python files and checkpoints whose path begins so."""
    from ucseg_cli.references.grammar import CHECKPOINTS

    folder, slash, name = begun.rpartition("/")
    try:
        found = sorted(
            each for each in Path(folder or slash or ".").iterdir() if each.name.startswith(name)
        )
    except OSError:
        return
    for each in found:
        ending = "/" if each.is_dir() else ":" if each.suffix == ".py" else ""
        if ending or each.suffix.lower() in CHECKPOINTS:
            yield f"{folder}{slash}{each.name}{ending}"


def _classes(begun: str) -> Iterator[str]:
    """The classes and functions that stand in a file, as far as it can be read."""
    import ast

    file, _, name = begun.rpartition(":")
    try:
        statements = ast.parse(Path(file).read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for each in statements:
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name.startswith(name):
            yield f"{file}:{each.name}"
