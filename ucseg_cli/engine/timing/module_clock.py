"""A clock on each module: the time of its forward pass without that of modules it calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median_low
from typing import Any

from torch import nn

from ucseg_cli.engine.timing.timing_devices import Call


def time_modules(
    module: nn.Module, call: Call, now: Callable[[], int], passes: int
) -> dict[str, int]:
    """Nanoseconds that each module took for itself, by path: the median over so many passes.

    A module that runs twice has both times, one that stands at two paths has them at the first.
    """
    taken: dict[str, list[int]] = defaultdict(list)
    for _ in range(passes):
        for path, own in _one_pass(module, call, now).items():
            taken[path].append(own)
    return {path: median_low(times) for path, times in taken.items()}


def _one_pass(module: nn.Module, call: Call, now: Callable[[], int]) -> dict[str, int]:
    clock = _Clock(now)
    with ExitStack() as stack:
        for path, part in module.named_modules():
            before = part.register_forward_pre_hook(clock.entering(path))
            after = part.register_forward_hook(clock.leave)
            stack.callback(before.remove)
            stack.callback(after.remove)
        call()
    return clock.own


class _Clock:
    """The times of the modules that run, the innermost last."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._running: list[tuple[str, int]] = []
        self._inside: list[int] = [0]
        self.own: dict[str, int] = defaultdict(int)

    def entering(self, path: str) -> Callable[..., None]:
        """The hook before the forward pass of the module at *path*."""

        def enter(*_: Any) -> None:
            self._inside.append(0)
            self._running.append((path, self._now()))

        return enter

    def leave(self, *_: Any) -> None:
        """The hook after a forward pass."""
        now = self._now()
        path, began = self._running.pop()
        self.own[path] += now - began - self._inside.pop()
        self._inside[-1] += now - began
