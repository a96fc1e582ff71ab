"""The files that a user's code reads, lists and imports, which its model depends on.

Python says so itself: by audit events (docs.python.org/3/library/audit_events.html), to the first
finder of ``sys.meta_path``, and, where it only asks whether a file is there, by ``os.stat``.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ucseg_cli.engine.user_code.releases import installed_releases
from ucseg_cli.errors import ModelError
from ucseg_cli.system.checkout import Checkout, Dependencies

SPAWNS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
LISTS = {"os.listdir", "os.scandir"}
READS = {"open": 0, "ctypes.dlopen": 0, "import": 1}
"""Events before a file is read, each with the position of its path; of an import the extension."""
OF_PYTHON = "<frozen importlib"
CACHED = "__pycache__"
OF_THE_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/")
OURS = Path(__file__).parents[3]


class Watch:
    """Notes on what is used of a checkout, and whether anything else is that could change."""

    def __init__(self, checkout: Checkout, *ours: str) -> None:
        self.checkout = checkout
        self.is_complete = True
        self.refused: ModelError | None = None
        self._root = f"{os.path.realpath(checkout.root)}{os.sep}"
        self._roots = (self._root, f"{checkout.root}{os.sep}")
        self._left_out: dict[str, str] = {}
        if checkout.left_out is not None:
            self._left_out = json.loads(Path(checkout.left_out).read_text("utf-8"))
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._names: dict[str, set[str]] = {}
        paths = sysconfig.get_paths()
        installed = (sys.prefix, sys.base_prefix, paths["stdlib"], paths["purelib"], str(OURS))
        spellings = {spelt for one in (*installed, *ours) for spelt in (one, os.path.realpath(one))}
        self._installed = tuple(f"{folder}{os.sep}" for folder in spellings)

    @property
    def dependencies(self) -> Dependencies | None:
        """All that decides the model; None if something does that cannot be checked later."""
        releases = installed_releases(self._is_ours) if self.is_complete else None
        if releases is None:
            return None
        names = ((folder, tuple(sorted(names))) for folder, names in self._names.items())
        return Dependencies(
            tuple(sorted(self._files)),
            tuple(sorted(self._folders)),
            tuple(sorted(names)),
            releases,
        )

    def _is_ours(self, path: str) -> bool:
        """Whether a file is in the checkout, or a part of this program."""
        return self.place(path) is not None or path.startswith(f"{OURS / 'ucseg_cli'}{os.sep}")

    def place(self, path: str) -> str | None:
        """The path below the checkout's folder; None if it is elsewhere, or installed there."""
        whole = os.path.abspath(path)  # noqa: PTH100 - links are followed where they matter
        if not f"{whole}{os.sep}".startswith(self._root):
            whole = os.path.realpath(path)
        if not f"{whole}{os.sep}".startswith(self._root) or self._is_installed(whole):
            return None
        return whole[len(self._root) :].replace(os.sep, "/")

    def _is_installed(self, whole: str) -> bool:
        """Whether a file comes with a distribution; a checkout may stand in the environment."""
        return any(
            whole.startswith(folder) and len(folder) > len(self._root)
            for folder in self._installed
            if folder.startswith(self._root)
        )

    def note_read(self, path: Any) -> None:
        """Note a file that is read, or looked for; raises ModelError for one that is left out."""
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a number, of a file that was opened before
        name = os.fsdecode(path)
        place = self._place_or_note(name)
        if place is None:
            return
        self._note_place(place)
        self._refuse_left_out(place)
        real = self.place(os.path.realpath(name))
        if real is not None and real != place:
            self._note_place(real)

    def note_asked(self, path: Any) -> None:
        """Note a file that is only asked for."""
        if isinstance(path, str | bytes | os.PathLike):
            place = self.place(os.fsdecode(path))
            if place is not None:
                self._note_place(place)

    def note_list(self, path: Any) -> None:
        """Note a folder that is listed, by others than Python's search for modules."""
        if isinstance(path, int):
            self.is_complete = False
            return
        place = self._place_or_note(os.fsdecode(path or "."))
        if place is not None:
            self._folders.add(place)

    def note_name(self, name: str, folders: Sequence[str]) -> None:
        """Note the last part of a module's name, which is looked for in *folders*."""
        for folder in folders:
            place = self.place(folder or ".")
            if place is not None:
                self._names.setdefault(place, set()).add(name.rpartition(".")[2])
                if "." in name:
                    self._refuse_left_out(place)

    def _note_place(self, place: str) -> None:
        """The path, and each link on the way, since git does not follow them."""
        above, _, file = place.rpartition("/")
        if CACHED in (above.rpartition("/")[2], file):  # code that stands for its source
            place = f"{above.removesuffix(CACHED)}{file.partition('.')[0]}.py"
            if file == CACHED:
                return
        if place:
            self._files.add(place)
        for folder in Path(place).parents:
            if (Path(self._root) / folder).is_symlink():
                self._files.add(folder.as_posix())

    def _place_or_note(self, name: str) -> str | None:
        """The place of a file that is read; notes one that is neither there nor installed."""
        # importing a library reads a thousand files, so their beginnings decide
        if name.startswith(self._installed) and not name.startswith(self._roots):
            return None
        place = self.place(name)
        if place is None:
            whole = os.path.realpath(name)
            self.is_complete &= whole.startswith((*self._installed, *OF_THE_SYSTEM))
        return place

    def _refuse_left_out(self, place: str) -> None:
        for path, why in self._left_out.items():
            if f"{place}/".startswith(f"{path}/"):
                self.refused = ModelError(
                    f"{path} {why}",
                    where=f"{path} at {self.checkout.revision}",
                    help="a model at a revision has only what its commit has",
                )
                raise self.refused


class _Hook:
    """Passes events on to a watch. Python cannot remove an audit hook, so there is one."""

    installed = False
    watch: Watch | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        watch = self.watch
        if watch is None:
            return
        if event in READS:
            watch.note_read(arguments[READS[event]])
        elif event in LISTS:
            # the frame below is of whoever lists
            if not sys._getframe(1).f_code.co_filename.startswith(OF_PYTHON):
                watch.note_list(arguments[0])
        elif event in SPAWNS:
            watch.is_complete = False


class _Names:
    """The first finder of modules, which finds none, and so sees each name that is looked for."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def find_spec(self, name: str, path: Sequence[str] | None, _: object = None) -> None:
        """Note where a module is about to be looked for."""
        self._watch.note_name(name, list(sys.path if path is None else path))


_hook = _Hook()


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """While it lasts, the watch notes what is used."""
    if not _hook.installed:
        sys.addaudithook(_hook)
        _hook.installed = True
    names = _Names(watch)
    stat, access = os.stat, os.access
    sys.meta_path.insert(0, names)
    os.stat, os.access = _noting(watch, stat), _noting(watch, access)
    _hook.watch = watch
    try:
        yield
    finally:
        _hook.watch = None
        os.stat, os.access = stat, access
        if names in sys.meta_path:
            sys.meta_path.remove(names)


def _noting(watch: Watch, ask: Callable[..., Any]) -> Callable[..., Any]:
    def noted(path: Any, *arguments: Any, **keywords: Any) -> Any:
        watch.note_asked(path)
        return ask(path, *arguments, **keywords)

    return noted
