"""The notebook runs from top to bottom, and each answer in it is shown with its picture."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from ucseg_cli.door.answer import Answer

NOTEBOOK = Path(__file__).parents[1] / "examples" / "compact-segmentation.ipynb"
SHOWN = 5
"""Cells that end with an answer."""


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: it shows the value of the last line, if that has one."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "a cell", "exec"), names)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "a cell", "eval"), names)


def test_the_notebook_runs_and_shows_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    names: dict[str, Any] = {"__name__": "notebook"}
    values = [run("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]
    answers = [value for value in values if isinstance(value, Answer)]
    assert len(answers) == SHOWN
    assert all('<div class="ucseg part">' in answer._repr_html_() for answer in answers)
    assert names["best"]["params"] <= 650_000
    assert (tmp_path / "choice.html").stat().st_size > 0
    assert (tmp_path / "choice.svg").read_text("utf-8").startswith("<svg ")


def test_the_notebook_is_kept_without_what_it_printed() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert [cell for cell in cells if cell.get("outputs")] == []
