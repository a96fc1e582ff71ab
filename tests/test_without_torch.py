"""The rooms that do without torch really do, and the check on them can fail."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.without_torch import TESTS, TORCH_FREE, is_torch_free, refuse_torch

HEAVY = {"torch", "torchvision", "safetensors", "fvcore"}


def heavy_imports(text: str) -> list[str]:
    """Heavy distributions that a file imports as soon as it is collected."""
    return sorted(HEAVY & set(_imported(ast.parse(text))))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_no_test_file_of_these_rooms_imports_torch_when_it_is_collected() -> None:
    files = [path for path in TESTS.rglob("*.py") if is_torch_free(path)]
    assert {path.relative_to(TESTS).parts[0] for path in files} == set(TORCH_FREE)
    imported = {str(path): heavy_imports(path.read_text("utf-8")) for path in files}
    assert {path: names for path, names in imported.items() if names} == {}


def test_a_file_that_imports_torch_is_noticed() -> None:
    assert heavy_imports("import json\nfrom torch.nn import functional") == ["torch"]
    assert heavy_imports("def f():\n    import torch") == []


@pytest.mark.parametrize(
    "statement",
    [
        *("import torch", "import torch.nn", "from torchvision import models"),
        "from ucseg_cli.engine import counters",
        *("import ucseg_cli.nets.blocks", "from ucseg_cli.engine.trace_model import Tracer"),
    ],
)
def test_where_torch_is_refused_no_import_reaches_it(
    monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    import torch  # noqa: F401 - another test may have imported it before

    refuse_torch(monkeypatch)
    with pytest.raises(ImportError, match="this test must do without it"):
        exec(statement)


def test_everything_else_is_imported_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_torch(monkeypatch)
    exec("import json, ucseg_cli.engine; from ucseg_cli.gate import tracing")
    exec("from ucseg_cli.engine.checkpoints import safetensors_file")


def test_only_the_rooms_that_are_listed_do_without_it() -> None:
    assert is_torch_free(TESTS / "analysis" / "test_drift.py")
    assert not is_torch_free(TESTS / "engine" / "test_record.py")
    assert not is_torch_free(Path(__file__))
