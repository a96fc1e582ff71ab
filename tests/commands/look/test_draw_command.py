"""``ucseg draw``: the diagram on a screen, in files, and of two models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Run


def test_files_have_every_block_and_tensor(ucseg: Run) -> None:
    data = json.loads(ucseg("draw", "v2", "--depth", "1", "-f", "json").stdout)
    assert [block["block"] for block in data["blocks"]] == [
        *("input", "features", "mid_conv", "aspp", "(upsample_bilinear2d)", "(cat)", "decoder"),
        *("(upsample_bilinear2d)", "classifier", "output"),
    ]
    assert data["edges"][0] == {"source": 0, "target": 1, "shape": [1, 3, 224, 224]}
    assert data["blocks"][1]["taps"] == ["low", "mid", "high"]


@pytest.mark.parametrize(
    ("form", "begins"),
    [("svg", "<svg "), ("mermaid", "flowchart TD\n"), ("dot", "digraph {\n")],
)
def test_it_is_written_in_every_form(ucseg: Run, tmp_path: Path, form: str, begins: str) -> None:
    assert ucseg("draw", "v2", "-f", form).stdout.startswith(begins)
    for _ in range(2):  # a file of ours may be replaced
        answer = ucseg("draw", "v2", "--export", f"{form}={tmp_path / form}")
        assert answer.returncode == 0


def test_of_two_models_the_second_is_drawn_with_what_changed(ucseg: Run) -> None:
    data = json.loads(ucseg("draw", "v1", "v2", "--depth", "1", "-f", "json").stdout)
    changed = {block["block"]: block["status"] for block in data["blocks"] if block["status"]}
    assert changed == {"features": "changed", "aspp": "changed", "decoder": "changed"}
    assert data["verdict"]["summary"].endswith("against v1 3 changed and 0 are new.")
    assert "status" not in json.loads(ucseg("draw", "v2", "-f", "json").stdout)["blocks"][0]


def changes(ucseg: Run, *arguments: str) -> tuple[dict[str, str], list[str]]:
    data = json.loads(ucseg("draw", *arguments, "-f", "json").stdout)
    marked = {block["path"]: block["status"] for block in data["blocks"] if block["status"]}
    return marked, data["gone"]


def test_branches_are_compared_by_role_as_in_a_comparison(ucseg: Run) -> None:
    marked, _ = changes(ucseg, "v1", "v2", "--depth", "2")
    assert marked["aspp.branches"] == "changed"
    marked, _ = changes(ucseg, "v1", "v2", "--depth", "3")
    branches = {path: word for path, word in marked.items() if path.startswith("aspp.branches")}
    assert branches == {
        "aspp.branches.1": "changed",
        "aspp.branches.2": "changed",
        "aspp.branches.3": "new",
    }


def test_what_is_gone_is_named_unless_a_block_around_it_is_marked(ucseg: Run) -> None:
    marked, gone = changes(ucseg, "v2", "v1", "--depth", "2")
    assert marked["aspp.branches"] == "changed"
    assert gone == ["features.10", "decoder.1"]
    screen = ucseg("draw", "v2", "v1", "--depth", "2").stdout
    assert "Gone from v2: features.10, decoder.1." in screen
    _, gone = changes(ucseg, "v2", "v1", "--depth", "3")
    assert "aspp.branches[rate 18]" in gone


def test_three_models_are_refused(ucseg: Run) -> None:
    answer = ucseg("draw", "v1", "v2", "v3")
    assert answer.returncode == 2
    assert "a diagram is of one model, or of two; you gave 3" in answer.stderr
