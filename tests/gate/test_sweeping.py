"""A space of a user's design is recorded in a process of its own, and outlives its variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from ucseg_cli.analysis.space.assembled import OutcomeFigures
from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.parts import Assembled
from ucseg_cli.gate.sweeping import record_space
from ucseg_cli.references import Argument, FromFile, FromModule

NET = """
import os
import time
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, way=""):
        super().__init__()
        if way == "ends":
            os._exit(3)
        if way == "sleeps":
            time.sleep(600)
        if way == "exits":
            raise SystemExit(5)
        if way == "interrupts":
            raise KeyboardInterrupt
        print("noise")
        self.conv = nn.Conv2d(3, width, 1)

    def forward(self, x):
        return self.conv(x)
"""
AT_8 = Conditions(Size(8, 8))


def sweep(path: Path, *ways: str, timeout: float = 60) -> list[int | str]:
    """The parameters of a network built in each way, or why there is none."""
    path.write_text(NET, encoding="utf-8")
    models = [FromFile(str(path), "Net", (Argument("way", way),)) for way in ways]
    found: list[int | str] = []
    for one in record_space(models, [AT_8], timeout=timeout):
        (outcome,) = one.outcomes
        if isinstance(outcome, UcsegError):
            found.append(outcome.what)
        else:
            assert isinstance(outcome, Assembled)
            params = OutcomeFigures(one.book).figure(outcome, "params")
            assert params is not None
            found.append(params)
    return found


def test_a_variant_that_ends_its_process_costs_only_itself(tmp_path: Path) -> None:
    found = sweep(tmp_path / "net.py", "a", "ends", "exits", "interrupts", "b")
    assert found == [
        16,
        "Net ended itself with status 3, before there was an answer",
        "Net cannot be built: SystemExit: 5",
        "Net cannot be inspected: KeyboardInterrupt",
        16,
    ]


def test_one_that_takes_too_long_is_given_up_and_the_next_is_tried(tmp_path: Path) -> None:
    found = sweep(tmp_path / "net.py", "a", "sleeps", "b", timeout=8)
    assert found == [16, "Net was not built and run within 8 s", 16]


def test_after_three_in_a_row_no_other_is_tried(tmp_path: Path) -> None:
    found = sweep(tmp_path / "net.py", *["ends"] * 9)
    assert found == ["Net ended itself with status 3, before there was an answer"] * 9


@pytest.mark.parametrize(
    "source", [FromFile("absent.py", "Net"), FromModule("absent_of_ucseg.net", "Net")]
)
def test_a_design_that_is_not_there_is_the_error_of_each(source: FromFile | FromModule) -> None:
    outcomes = [one.outcomes[0] for one in record_space([source, source], [AT_8])]
    assert len(outcomes) == 2
    assert all(isinstance(outcome, UcsegError) for outcome in outcomes)
