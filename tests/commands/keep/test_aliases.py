"""Named variants of any design, in ``[tool.ucseg.variants]``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, norm="bn", rates=(1, 2), bias=True, scale=1.0):
        super().__init__()
        assert isinstance(rates, (tuple, list)) and isinstance(bias, bool), (rates, bias)
        assert isinstance(norm, str) and isinstance(scale, float), (norm, scale)
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=bias)
        kind = nn.BatchNorm2d if norm == "bn" else nn.Identity
        self.rest = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in rates)
        self.norm = kind(width)

    def forward(self, x):
        x = self.norm(self.stem(x))
        for layer in self.rest:
            x = layer(x)
        return x
"""
TINY = 'from = "models/net.py:Net"\nwidth = 2\nnorm = "None"\nrates = [1, 2, 3]\nbias = false'
FIGURES = {"tiny": 3 * 2 * 9 + 3 * 2 * 2, "wide": 3 * 8 * 9 + 3 * 8 * 8}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "models" / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def configure(project: Path, text: str) -> None:
    (project / "ucseg.toml").write_text(text)


def answer_of(ucseg: Run, *arguments: str) -> Any:
    answer = ucseg(*arguments, "-f", "json")
    assert answer.returncode in {0, 1}, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.torch
def test_an_alias_is_usable_wherever_a_model_is_named(ucseg: Run, project: Path) -> None:
    configure(project, f'[variants.wide]\nfrom = "tiny"\nwidth = 8\n[variants.tiny]\n{TINY}\n')
    for name, params in FIGURES.items():
        assert answer_of(ucseg, "params", name)["total"]["params"] == params
    changed = answer_of(ucseg, "compare", "tiny", "wide+norm=bn", "-s", "16")
    axes = [(change["axis"], change["before"], change["after"]) for change in changed["axes"]]
    assert axes == [("width", 2, 8), ("norm", "None", "bn")]
    assert answer_of(ucseg, "compare", "tiny", "../models/net.py:Net", "-s", "16")["axes"]
    listed = {row["name"]: row for row in answer_of(ucseg, "list", "-s", "16")["variants"]}
    assert {name: listed[name]["params"] for name in FIGURES} == FIGURES
    assert listed["tiny"]["axes"]["rates"] == [1, 2, 3]
    assert listed["tiny"]["from"].endswith("models/net.py:Net")
    assert listed["wide"]["macs"] == (3 * 8 * 9 + 3 * 8 * 8) * 16 * 16


@pytest.mark.torch
def test_globs_in_budgets_and_the_lock_know_aliases(ucseg: Run, project: Path) -> None:
    limit = '[[budgets]]\nid = "small"\nvariant = "[tw]i*"\nmetric = "params"\nmax = 100\n'
    wide = '[variants.wide]\nfrom = "tiny"\nwidth = 8\n'
    configure(project, f"{limit}\n{wide}\n[variants.tiny]\n{TINY}\n")
    checks = {row["variant"]: row["status"] for row in answer_of(ucseg, "check")["checks"]}
    assert checks == {"wide": "fail", "tiny": "pass"}
    assert ucseg("lock", "tiny").returncode == 0
    configure(project, f"{limit}\n{wide}\n[variants.tiny]\n{TINY.replace('false', 'true')}\n")
    assert ucseg("check", "tiny", "--locked").returncode == 1


@pytest.mark.torch
def test_an_alias_that_cannot_be_built_is_a_row_with_its_reason(ucseg: Run, project: Path) -> None:
    configure(project, '[variants.bad]\nfrom = "models/net.py:Net"\nwidht = 3\n')
    rows = {row["name"]: row for row in answer_of(ucseg, "list", "-s", "32")["variants"]}
    assert (rows["bad"]["params"], rows["v1"]["params"]) == (None, 475_077)
    assert "no argument of Net named 'widht'" in ucseg("list", "-s", "32").stdout


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ('from = "models/nett.py:Net"', 2, "models/nett.py"),
        ('from = "../../etc/net.py:Net"', 2, "is not beneath"),
        ('from = "os:system"', 2, "os is not a module beneath"),
        ('from = "nine"', 2, "no variant named 'nine'"),
        ('from = "models/net.py:Net"\nday = 2026-11-26', 3, "cannot be an argument"),
        ('from = "models/net.py:Net"\nx = nan', 3, "cannot be an argument"),
        ('from = "models/net.py:Net"\n"a-b" = 1', 3, "cannot be the name of an argument"),
        ('from = "bad"', 2, "'bad' comes from a circle"),
    ],
)
def test_mistakes_are_reported_with_their_lines(
    ucseg: Run, project: Path, section: str, line: int, message: str
) -> None:
    derived = '[variants.more]\nfrom = "bad"\nwidth = 3\n'
    configure(project, f"[variants.bad]\n{section}\n{derived}")
    answer = ucseg("params", "v2")
    assert answer.returncode == 2
    assert message in answer.stderr
    assert f"ucseg.toml:{line}" in answer.stderr
    assert "'width'" not in answer.stderr  # no second mistake of the same one
