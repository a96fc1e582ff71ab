"""Moving into the files of a commit, so that no module of today's working tree is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.references import FromFile, FromModule, OwnCode
from ucseg_cli.system.checkout import Checkout

EDITABLE = "__editable__"
"""How setuptools names its modules that find a package where it is worked on."""
OURS = "ucseg_cli"


class Entered:
    """A checkout that this process is in; the folder where the user is, and how paths are shown."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.folder = Path.cwd()
        if checkout.revision is None:
            return
        sys.dont_write_bytecode = True  # no one reads it again
        inside = self._counterpart(str(self.folder))
        for finder in [module for name, module in sys.modules.items() if name.startswith(EDITABLE)]:
            mapping = getattr(finder, "MAPPING", None)
            if isinstance(mapping, dict):
                mapping.update({name: self._mapped(place) for name, place in mapping.items()})
        sys.path[:] = map(self._mapped, sys.path)
        if inside is not None:
            Path(inside).mkdir(parents=True, exist_ok=True)
            os.chdir(inside)

    def source(self, source: OwnCode) -> OwnCode:
        """The source with its file as it is reached from here."""
        if self.checkout.revision is None or not isinstance(source, FromFile):
            return source
        typed = Path(source.path)
        if not typed.is_absolute() and self._counterpart(str(self.folder)) is not None:
            return source
        return source._replace(path=self._mapped(str(self.folder / typed)))

    def as_shown(self, error: UcsegError) -> UcsegError:
        """The error with paths as the user knows them, and with what runs it."""
        if self.checkout.revision is None:
            return error
        today = f"today's environment runs the code of {self.checkout.revision}"
        error.what, error.where = self.text(error.what), error.where and self.text(error.where)
        error.notes = (*map(self.text, error.notes), today)
        error.help = error.help and self.text(error.help)
        return error

    def text(self, text: str) -> str:
        """A text with the paths of the user's repository instead of ours."""
        root, toplevel = self.checkout.root, self.checkout.toplevel
        beginning = os.path.join(os.path.relpath(toplevel, self.folder), "")  # noqa: PTH118
        here = os.path.join(".", "")  # noqa: PTH118
        text = text.replace(f"{root}{os.sep}", "" if beginning == here else beginning)
        return text.replace(root, toplevel)

    def refuse_others(self, source: OwnCode) -> None:
        """Raise ModelError if a module is not the commit's: the model's own, or any of the tree."""
        revision = self.checkout.revision
        if revision is None:
            return
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            # torch makes modules up, with a file that is none
            if not isinstance(file, str) or not Path(file).is_absolute():
                continue
            if name.startswith(EDITABLE):
                continue
            if isinstance(source, FromModule) and name == source.module and not self._has(file):
                raise ModelError(
                    f"{name} does not come from the files of {revision}, but from {file}",
                    where=str(source),
                    help="name the file by its path, as in net.py:Net",
                )
            if self._counterpart(file) is not None and name.partition(".")[0] != OURS:
                raise ModelError(
                    f"{name} comes from the working tree, not from {revision}",
                    where=os.path.relpath(file, self.folder),
                    help="make it importable by a folder of sys.path, as with PYTHONPATH=src",
                )

    def _has(self, file: str) -> bool:
        return os.path.realpath(file).startswith(f"{self.checkout.root}{os.sep}")

    def _mapped(self, path: str) -> str:
        return self._counterpart(path) or path

    def _counterpart(self, path: str) -> str | None:
        """The same path in the commit; None for one outside of the repository, or installed."""
        real, toplevel = os.path.realpath(self.folder / path), self.checkout.toplevel
        is_below = f"{real}{os.sep}".startswith(f"{toplevel}{os.sep}")
        prefix = f"{os.path.realpath(sys.prefix)}{os.sep}"
        is_installed = prefix.startswith(toplevel) and f"{real}{os.sep}".startswith(prefix)
        if not is_below or is_installed or path == "":
            return None
        return f"{self.checkout.root}{real[len(toplevel) :]}"
