"""Figures in a project's documents: which files have them, and writing the right ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from glob import escape, glob, has_magic
from pathlib import Path

from ucseg_cli.analysis.rules.budget_checks import Check
from ucseg_cli.errors import ConfigurationError, MistakesError, Place, UcsegError, UsageError
from ucseg_cli.facts.settings import Settings
from ucseg_cli.project.marked_file import MarkedFile, read_marked_file
from ucseg_cli.project.markers import WRITE
from ucseg_cli.terminal.streams import say


def read_documents(named: Sequence[Path], settings: Settings) -> list[MarkedFile]:
    """The documents that are *named*, each once, a pattern being every file that it fits.

    A file that is named has a marker, and of a pattern's files at least one does. Raises
    MistakesError with all that is wrong with all of them.
    """
    files: dict[Path, MarkedFile] = {}
    mistakes: list[UcsegError] = []
    for name in named:
        unread: list[UcsegError] = []
        found = list(_read_each(_files(name), settings, unread))
        if not unread and not any(file.figures or file.mistakes for file in found):
            unread.append(_nothing_to_check(name, found))
        mistakes += unread
        files.update((file.path, file) for file in found)
    mistakes += [mistake for file in files.values() for mistake in file.mistakes]
    if mistakes:
        raise MistakesError(mistakes)
    return [file for file in files.values() if file.figures]


def _read_each(
    paths: Sequence[Path], settings: Settings, unread: list[UcsegError]
) -> Iterator[MarkedFile]:
    for path in paths:
        try:
            yield read_marked_file(path, settings)
        except UcsegError as error:
            unread.append(error)


def _is_pattern(name: Path) -> bool:
    return has_magic(str(name)) and not glob(escape(str(name)))  # noqa: PTH207 - as in _files


def _files(name: Path) -> list[Path]:
    """The file of that name, else every file that it fits as a pattern."""
    if not _is_pattern(name):
        return [name]
    found = sorted(glob(str(name), recursive=True))  # noqa: PTH207 - a pattern may be absolute
    return [path for path in map(Path, found) if not path.is_dir()]


def _nothing_to_check(name: Path, found: Sequence[MarkedFile]) -> UcsegError:
    always = "a check of nothing would always pass"
    if _is_pattern(name):
        what = f"no file that fits '{name}' has a marker" if found else f"no file fits '{name}'"
        return UsageError(what, where=f"--docs {name}", notes=(always,), help=WRITE)
    return ConfigurationError(
        "it has no marker",
        where=Place(str(name), 1),
        notes=(always, "a pattern in quotes passes over such files: --docs 'docs/*.md'"),
        help=WRITE,
    )


def fix_figures(files: Sequence[MarkedFile], checks: Sequence[Check]) -> tuple[Check, ...]:
    """Write the right figures into the files that have wrong ones; the checks as they are then.

    Raises OutputError for a file that cannot be written, or has changed meanwhile.
    """
    corrected = {check.id: check.corrected() for check in checks if check.is_wrong_figure}
    for file in files:
        names = [str(figure.budget.id) for figure in file.figures]
        figures = {name: corrected[name] for name in names if name in corrected}
        if figures:
            file.rewrite({name: str(check.written) for name, check in figures.items()})
            say("wrote", file.name)
    return tuple(corrected.get(check.id, check) for check in checks)
