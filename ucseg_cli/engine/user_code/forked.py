"""Running each model in a fork of this process, which has imported torch and nothing of theirs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence


def run_in_forks(
    tasks: Sequence[Callable[[], None]], at_once: int, seconds: float
) -> dict[int, int]:
    """Run each task in a fork, some at once, each for so many seconds of its own at most.

    Returns how each ended: 0, a status, or a signal as a negative number; SIGALRM if its time was
    up.
    """
    waiting = list(enumerate(tasks))
    running: dict[int, int] = {}
    ended: dict[int, int] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            number, task = waiting.pop(0)
            running[_fork(task, seconds)] = number
        process, status = os.wait()
        if process in running:  # else what a user's code has left behind
            ended[running.pop(process)] = os.waitstatus_to_exitcode(status)
    return ended


def _fork(task: Callable[[], None], seconds: float) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        task()
        status = 0
    finally:
        os._exit(status)
