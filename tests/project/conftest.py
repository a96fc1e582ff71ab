"""Fixtures for tests of the configuration: a ``ucseg.toml`` to write and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ucseg_cli.errors import MistakesError
from ucseg_cli.facts.settings import Settings
from ucseg_cli.workflow.load_project import load_project

Mistake = tuple[str, str, str]


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Settings]:
    """The settings that a ``ucseg.toml`` in the working directory makes."""

    def read(text: str) -> Settings:
        (tmp_path / "ucseg.toml").write_text(text, "utf-8")
        return load_project()

    return read


@pytest.fixture
def mistakes(configured: Callable[[str], Settings]) -> Callable[[str], list[Mistake]]:
    """Every mistake that is reported in a ``ucseg.toml``: where, what, and the help."""

    def read(text: str) -> list[Mistake]:
        try:
            configured(text)
        except MistakesError as error:
            return [(one.where or "", one.what, one.help or "") for one in error.errors]
        return []

    return read
