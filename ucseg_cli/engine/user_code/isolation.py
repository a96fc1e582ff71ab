"""What a person's code finds around it while it loads and runs, and that nothing of it stays."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import invalidate_caches
from pathlib import Path
from types import ModuleType

import torch

NETWORK_EVENTS = {
    "urllib.Request": 0,
    "http.client.connect": 1,
    "socket.getaddrinfo": 0,
    "socket.connect": 1,
}
"""Audit events (docs.python.org/3/library/audit_events.html) of who is about to ask another machine, and which argument tells whom."""


@contextmanager
def surroundings(folders: Sequence[Path], script: str) -> Iterator[None]:
    """While it lasts, code is as in ``python script`` with *folders* importable; afterwards all is as it was before.

    What it prints goes to stderr, since stdout is for the answer. It may not ask the network: no count needs weights.
    """
    with ExitStack() as stack:
        stack.enter_context(_importable(folders))
        stack.enter_context(_called_as(script))
        stack.enter_context(redirect_stdout(sys.stderr))
        stack.enter_context(_torch_as_before())
        stack.enter_context(_offline)
        yield


@contextmanager
def _importable(folders: Sequence[Path]) -> Iterator[None]:
    """Modules out of *folders* are forgotten again, so that two files may each have a ``blocks`` beside them."""
    path, modules = list(sys.path), dict(sys.modules)
    sys.path[:0] = map(str, folders)
    invalidate_caches()  # the file may be newer than what the import system has seen of its folder
    try:
        yield
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if module is not modules.get(name) and _lies_in(module, folders, path):
                _put_back(name, modules)


def _put_back(name: str, modules: dict[str, ModuleType]) -> None:
    if name in modules:
        sys.modules[name] = modules[name]
    else:
        del sys.modules[name]


def _lies_in(module: ModuleType, folders: Sequence[Path], path: Sequence[str]) -> bool:
    """Whether it was found in one of *folders*, and not in an installed package below it."""
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    if file is None:
        return False
    around = [
        folder for folder in (*folders, *map(Path, path)) if Path(file).is_relative_to(folder)
    ]
    return max(around, key=_depth, default=None) in folders


def _depth(folder: Path) -> int:
    return len(folder.parts)


@contextmanager
def _called_as(script: str) -> Iterator[None]:
    """A file that reads its command line reads its own, not ours, and where it changes to it does not take us along."""
    arguments, here = sys.argv, Path.cwd()
    sys.argv = [script]
    try:
        yield
    finally:
        sys.argv = arguments
        os.chdir(here)


@contextmanager
def _torch_as_before() -> Iterator[None]:
    """Of two models the second must not find what the first has set."""
    dtype, device, gradients = (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
    )
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            random.seed(0)
            yield
    finally:
        random.setstate(state)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        if torch.get_default_device() != device:
            torch.set_default_device(device)


class DownloadError(RuntimeError):
    """A model asked the network for something, such as weights."""


class _Offline:
    """Raises for who asks the network while it is entered. An audit hook cannot be taken out again, so there is one."""

    def __init__(self) -> None:
        self.depth = 0
        self.installed = False

    def __enter__(self) -> None:
        self.depth += 1
        if not self.installed:
            sys.addaudithook(self._refuse)
            self.installed = True

    def __exit__(self, *_: object) -> None:
        self.depth -= 1

    def _refuse(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.depth and event in NETWORK_EVENTS:
            raise DownloadError(f"it wants to download {arguments[NETWORK_EVENTS[event]]}")


_offline = _Offline()
