"""Runs that are killed while they write."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from fuzzing.small import AT_SMALL
from ucseg_cli.cli.main import main as ucseg
from ucseg_cli.gate.cache import Cache


def make_kill(random: Random, folder: Path) -> Sequence[str]:
    """A lock and a cache after a run that was killed while it wrote them: nothing is lost."""
    lock = folder / "ucseg.lock.json"
    assert ucseg(["lock", "v1", *AT_SMALL]) == 0
    before = json.loads(lock.read_text())["models"]
    writer = os.fork()
    if not writer:
        os._exit(ucseg(["lock", "v1", "v2", "--size", "32", "--size", "64"]))
    time.sleep(random.uniform(0, 0.15))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    after = json.loads(lock.read_text())["models"]
    assert after == before or after.keys() == {"v1", "v2"}
    for path, _ in Cache(folder / "cache", warn=print).entries():
        assert Cache(folder / "cache", warn=_fail).get(path.stem) is not None
    return ["check", "--locked"]


def _fail(message: str) -> None:
    raise AssertionError(message)
