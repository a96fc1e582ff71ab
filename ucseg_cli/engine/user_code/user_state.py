"""The state of a user's modules: counters, registries, settings of a class.

Several variants are built in one process, and none may see what another has left there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ucseg_cli.engine.recording.restore import (
    MAPPINGS,
    OTHER_CONTAINERS,
    restore_contents,
    settings_restored,
)

OURS = "ucseg_cli"
CONTAINERS = {*MAPPINGS, *OTHER_CONTAINERS}
INSTALLED = {"site-packages", "dist-packages"}


class UserState:
    """The state of every imported module that stands in one of *folders* or below, as it is now."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._undo: list[Callable[[], object]] = []
        self._seen: set[int] = set()
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] != OURS and _stands_below(module, folders):
                self._note_names(module)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """While it lasts, all of it may change, and torch's settings too; it begins as noted."""
        for undo in self._undo:
            undo()
        with settings_restored():
            yield

    def _note_names(self, owner: Any) -> None:
        if id(owner) not in self._seen:
            self._seen.add(id(owner))
            names = dict(vars(owner))
            self._undo.append(partial(_restore_names, owner, names))
            for name, value in names.items():
                if not name.startswith("__"):  # such as all of Python's own names
                    self._note(value, owner)

    def _note(self, value: Any, owner: Any) -> None:
        """Note a container with what it holds, or a class of the owner's."""
        if isinstance(value, type):
            if value.__module__ == getattr(owner, "__name__", None):
                self._note_names(value)
        elif type(value) in CONTAINERS and id(value) not in self._seen and value is not sys.modules:
            self._seen.add(id(value))
            contents = dict(value) if type(value) in MAPPINGS else list(value)
            self._undo.append(partial(restore_contents, value, contents))
            inside = contents.values() if isinstance(contents, dict) else contents
            for one in inside:
                self._note(one, owner)


def _restore_names(owner: Any, names: dict[str, Any]) -> None:
    now = dict(vars(owner))
    for name, value in now.items():
        # a package has a module as its attribute only when that is imported for the first time
        if name not in names and not isinstance(value, ModuleType):
            with suppress(AttributeError, TypeError):
                delattr(owner, name)
    for name, value in names.items():
        if name not in now or now[name] is not value:
            with suppress(AttributeError, TypeError):
                setattr(owner, name, value)


def _stands_below(module: ModuleType, folders: Sequence[Path]) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or INSTALLED.intersection(Path(file).parts):
        return False
    return any(folder in Path(file).parents for folder in folders)
