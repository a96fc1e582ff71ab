"""The environment of a user's code while it is imported and run, and nothing of it stays.

A user's file has a process of its own. There it is imported once for each input, and torchvision's
networks share our process, so everything that a second import would stumble over is put back.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, nullcontext, redirect_stdout
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ucseg_cli.engine.recording.restore import settings_restored
from ucseg_cli.engine.user_code.accelerators import accelerators_elsewhere
from ucseg_cli.engine.user_code.refuse_downloads import downloads_refused


@contextmanager
def isolated(folders: Sequence[Path], script: str, *, real_devices: bool = False) -> Iterator[None]:
    """While it lasts, code runs as in ``python script``, with *folders* importable.

    Its prints go to stderr, since stdout is for the answer. Random numbers are the same every time.
    Who asks for an accelerator gets it only with *real_devices*.
    """
    devices = nullcontext() if real_devices else accelerators_elsewhere()
    with _importable(folders), _command_line([script]), chdir(Path.cwd()), settings_restored():
        seed_generators()
        with redirect_stdout(sys.stderr), downloads_refused(), devices:
            yield


def seed_generators() -> None:
    """Let the random numbers that come next be the same every time."""
    torch.manual_seed(0)
    random.seed(0)
    if "numpy" in sys.modules:  # torch imports it, where it is installed
        numpy_random: Any = import_module("numpy.random")
        numpy_random.seed(0)


def state_of_generators() -> tuple[object, ...]:
    """The state of those that give numbers without torch; another one after each draw."""
    found: tuple[object, ...] = (random.getstate(),)
    if "numpy" in sys.modules:
        numpy_random: Any = import_module("numpy.random")
        state = numpy_random.get_state()
        found += (state[1].tobytes(), state[2])
    return found


@contextmanager
def _importable(folders: Sequence[Path]) -> Iterator[None]:
    """Modules of *folders* are forgotten again, so two files may each have a ``blocks`` module."""
    path, before = list(sys.path), set(sys.modules)
    sys.path[:0] = map(str, folders)
    invalidate_caches()  # the file may be newer than Python's list of its folder
    try:
        yield
    finally:
        new = [name for name in sys.modules if name.partition(".")[0] not in before]
        roots = {name for name in new if _stands_in(sys.modules[name], folders)}
        for name in new:
            if roots & {name, name.partition(".")[0]}:
                del sys.modules[name]
        sys.path[:] = path  # last: a folder without __init__.py is a package only while it is there


def _stands_in(module: ModuleType, folders: Sequence[Path]) -> bool:
    """Whether its file, or its folder if it is a package, stands directly in one of *folders*."""
    place = next(iter(getattr(module, "__path__", ())), None) or getattr(module, "__file__", None)
    return place is not None and Path(place).parent in folders


@contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    """A file that reads its command line reads its own, not ours."""
    ours, sys.argv = sys.argv, arguments
    try:
        yield
    finally:
        sys.argv = ours
