"""``ucseg overview``: the answers about a model, or of several, as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Run


@pytest.mark.parametrize(
    ("models", "kinds"),
    [
        (["v2"], ["show", "flops", "params", "memory", "lint"]),
        (["v1", "v2"], ["compare", "memory", "lint", "memory", "lint"]),
    ],
)
def test_it_has_the_answers_of_the_commands(
    ucseg: Run, models: list[str], kinds: list[str]
) -> None:
    answers = json.loads(ucseg("overview", *models, "-f", "json").stdout)["answers"]
    assert [answer["kind"] for answer in answers] == [f"ucseg.{kind}" for kind in kinds]
    alone = json.loads(ucseg("memory", models[-1], "-f", "json").stdout)
    last = [answer for answer in answers if answer["kind"] == "ucseg.memory"][-1]
    assert last["peak"] == alone["peak"]


def test_the_page_has_every_table_and_every_picture(ucseg: Run, tmp_path: Path) -> None:
    answer = ucseg("overview", "v1", "v2", "--export-html", str(tmp_path / "page.html"))
    assert answer.returncode == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    for kind, count in {"icicle": 2, "waterfall": 2, "course": 2}.items():
        assert page.count(f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}"') == count
    assert page.count("Alive at the peak, v1") > 0
    assert page.count("Alive at the peak, v2") > 0
    assert "ucseg overview v1 v2</code>" in page


def test_a_terminal_has_the_first_answer_and_says_where_the_others_are(ucseg: Run) -> None:
    text = ucseg("overview", "v2").stdout
    assert "Heaviest modules" in text
    assert "Alive at the peak" not in text
    assert "the pictures are on the page: --export-html FILE." in text


def test_what_two_answers_say_is_said_once(ucseg: Run) -> None:
    text = ucseg("overview", "v2", "-f", "markdown").stdout
    assert text.count("conv and matmul 1 per multiply-add") == 1
    assert text.count("Parameters by module") == 1
