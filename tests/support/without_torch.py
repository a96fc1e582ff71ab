"""The rooms whose tests run without torch, and what keeps it from them."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
TORCH_FREE = ("analysis", "cli", "commands", "project", "references", "report", "test_golden.py")
"""Their tests run on stored traces; one that needs torch carries the mark ``torch``."""

LIBRARIES = ("torch.", "torchvision.")
ROOMS = ("ucseg_cli.engine.", "ucseg_cli.nets.", "ucseg_cli.zoo.")
ALLOWED = ("ucseg_cli.engine.checkpoints.", "ucseg_cli.engine.require_torch.")
"""These read safetensors files, which needs no torch."""


class TorchImportError(ImportError):
    """Torch, or a module that holds on to it, was imported where it must not be."""


def is_torch_free(path: Path) -> bool:
    """Whether the tests in a file run without torch."""
    return path.relative_to(TESTS).parts[0] in TORCH_FREE


def refuse_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no import statement reach torch, even where an earlier test has imported it already."""
    really_import = builtins.__import__

    def import_without_torch(
        name: str,
        globals_: Mapping[str, object] | None = None,
        locals_: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        modules = [f"{name}.", *(f"{name}.{part}." for part in fromlist or ())]
        if level == 0 and any(map(_holds_torch, modules)):
            raise TorchImportError(f"{name} needs torch, and this test must do without it")
        return really_import(name, globals_, locals_, fromlist or (), level)

    monkeypatch.setattr(builtins, "__import__", import_without_torch)


def _holds_torch(module: str) -> bool:
    in_room = module.startswith(ROOMS) and module not in ROOMS and not module.startswith(ALLOWED)
    return in_room or module.startswith(LIBRARIES)
