"""``ucseg compare --latency``: measured rows beside counted ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fake_timing import FakeMachine
from support.fixture_types import Run

HALF = "v2+head=before-upsample"
SMALL = ("--size", "64")


def answer_of(ucseg: Run, *arguments: str, status: int = 0) -> dict[str, Any]:
    ended = ucseg("compare", *arguments, "--latency", "-f", "json")
    assert ended.returncode == status, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.usefixtures("fake_machine")
def test_a_pair_has_a_row_of_time_with_its_floor(ucseg: Run) -> None:
    screen = ucseg("compare", "v2", HALF, *SMALL, "--latency").stdout
    (row,) = [line for line in screen.splitlines() if line.startswith("time of one call, p50")]
    before, after, difference = (float(word) for word in row.split()[5:-1:2])
    assert (before, after) == pytest.approx((10, 5), rel=0.01)
    assert difference == pytest.approx(after - before, abs=0.06)
    assert "Noise floor 2.0%: v2 beside itself in this run; ~ is below it." in screen
    assert "takes 50.0% less time than v2" in screen.replace("\n", " ")


@pytest.mark.usefixtures("fake_machine")
def test_the_row_s_change_is_that_of_its_figures(ucseg: Run) -> None:
    runs = answer_of(ucseg, "v2", HALF, *SMALL)["latency"]["runs"]
    assert runs[1]["ratio"] == round(runs[1]["p50"] / runs[0]["p50"], 6)


@pytest.mark.usefixtures("fake_machine")
def test_a_difference_below_the_floor_is_a_tilde(ucseg: Run) -> None:
    screen = ucseg("compare", "v1", "v2", "--latency").stdout
    (row,) = [line for line in screen.splitlines() if line.startswith("time of one call, p50")]
    assert row.split()[-2:] == ["~", "~"]


@pytest.mark.usefixtures("fake_machine")
def test_of_several_models_each_has_its_time_in_its_row(ucseg: Run) -> None:
    screen = ucseg("compare", "v2", "v1", HALF, *SMALL, "--latency").stdout
    rows = screen.split("Totals\n")[1].splitlines()[:5]
    assert rows[0].split()[-2:] == ["p50", "Δ%"]
    assert [row.split()[-1] for row in rows[2:4]] == ["–", "~"]
    assert rows[4].split()[-1].startswith("-50")


@pytest.mark.usefixtures("fake_machine")
def test_csv_has_a_line_of_time_for_each_model(ucseg: Run) -> None:
    text = ucseg("compare", "v2", "v1", HALF, *SMALL, "--latency", "-f", "csv").stdout
    lines = [line.split(",") for line in text.splitlines() if "latency-p50" in line]
    assert [line[0] for line in lines] == ["v1", HALF]
    assert [int(line[-1]) for line in lines] == [int(line[-2]) - int(line[-3]) for line in lines]


def test_without_the_option_nothing_is_measured(ucseg: Run, fake_machine: FakeMachine) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "-f", "json").stdout)
    assert "latency" not in answer
    assert fake_machine.questions == []


def test_a_machine_too_noisy_to_rank_exits_2_with_all_that_was_counted(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.noise = 0.4
    answer = answer_of(ucseg, "v1", "v2", status=2)
    assert answer["deltas"]
    assert answer["verdict"]["status"] == "no verdict"
    assert "too noisy to rank models now" in answer["verdict"]["summary"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("v1", "v2", "--deploy"), "--deploy folds batch norms in what is counted"),
        (("--since", "HEAD"), "--latency measures the models that you name"),
    ],
)
def test_a_comparison_that_runs_nothing_is_refused(
    ucseg: Run, arguments: tuple[str, ...], what: str
) -> None:
    ended = ucseg("compare", *arguments, "--latency")
    assert ended.returncode == 2
    assert what in ended.stderr
