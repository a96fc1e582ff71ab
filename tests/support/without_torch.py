"""The rooms whose tests run without torch, and what keeps it from them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
TORCH_FREE = ("analysis", "commands", "project", "references", "report", "test_golden.py")
"""Their tests run on stored traces; one that needs torch carries the mark ``torch``."""

LIBRARIES = ("torch", "torchvision")
TORCH_ROOMS = ("ucseg_cli.engine.", "ucseg_cli.nets.", "ucseg_cli.zoo.")
READERS = "ucseg_cli.engine.checkpoints."
"""Reads safetensors files, which needs no torch."""


def is_torch_free(path: Path) -> bool:
    """Whether the tests in a file run without torch."""
    return path.relative_to(TESTS).parts[0] in TORCH_FREE


def names_out_of_reach() -> Iterator[str]:
    """Modules that must not be imported: torch, and what other tests have imported that holds on to it."""
    yield from LIBRARIES
    for name in tuple(sys.modules):
        if name.startswith(TORCH_ROOMS) and not name.startswith(READERS):
            yield name
