"""``python bench/latency.py``: whether measured time can be believed on this machine, as promised.

A model beside itself is `~` in 19 of 20 runs; beside another head it is ranked right in 20 of 20;
and p50 agrees with torch.utils.benchmark.Timer within the printed floor. It takes half an hour.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

UCSEG = (sys.executable, "-m", "ucseg_cli")
RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
SIZE = 512
TURNS = 20
OTHER = "v2+head=before-upsample"
TIMER = f"""
import torch
from torch.utils.benchmark import Timer
from ucseg_cli import build_model
torch.manual_seed(0)
model, image = build_model("v2").eval(), torch.rand(1, 3, {SIZE}, {SIZE})
with torch.inference_mode():
    timer = Timer("model(image)", globals={{"model": model, "image": image}}, num_threads=1)
    print(timer.blocked_autorange(min_run_time=4).median)
"""


def latency(*models: str, seconds: int = 30) -> dict[str, Any]:
    """The JSON of ``ucseg latency``."""
    options = ("--size", str(SIZE), "--seconds", str(seconds), "--format", "json")
    command = (*UCSEG, "latency", *models, *options)
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def beside(other: str) -> list[dict[str, Any]]:
    """RUNS answers about v2 beside another model, each told in a line as it comes."""
    answers = []
    for number in range(1, RUNS + 1):
        answer = latency("v2", other)
        run = answer["runs"][1]
        machine = answer["machine"]
        print(
            f"{number:3}  {run['verdict']:7} {run['ratio_low']:.3f} to {run['ratio_high']:.3f}  "
            f"floor {answer['noise_floor']:.1%}  {answer['rounds']} rounds  "
            f"{answer['seconds']:.0f} s  drift {answer['drift']:+.0%}  "
            f"core {machine['received']:.0%}  load {machine['load']}  "
            f"{answer['verdict']['status']}",
            flush=True,
        )
        answers.append(answer)
    return answers


class BesideTimer(NamedTuple):
    """p50 and torch's own timer, both in seconds, in turns; and each run's noise floor."""

    ours: list[float]
    theirs: list[float]
    floors: list[float]

    @property
    def difference(self) -> float:
        """Of the medians of all turns, as a share of the timer's."""
        return median(self.ours) / median(self.theirs) - 1

    @property
    def agreeing(self) -> int:
        """The turns that agree by themselves, though the machine changed between the two."""
        turns = zip(self.ours, self.theirs, self.floors, strict=True)
        return sum(abs(ours / theirs - 1) <= floor for ours, theirs, floor in turns)


def with_timer() -> BesideTimer:
    """Both in turns; the timer knows no floor, so how far it is from itself is printed, too."""
    found = BesideTimer([], [], [])
    for turn in range(1, TURNS + 1):
        found.theirs.append(_timer())
        answer = latency("v2", seconds=8)
        found.ours.append(answer["runs"][0]["p50"] / 1e9)
        found.floors.append(answer["noise_floor"])
        print(
            f"{turn:3}  p50 {found.ours[-1]:.4f} s  Timer {found.theirs[-1]:.4f} s  "
            f"floor {found.floors[-1]:.1%}  load {answer['machine']['load']}",
            flush=True,
        )
    spread = max(found.theirs) / min(found.theirs) - 1
    print(f"Timer's slowest run is {spread:.0%} above its fastest", flush=True)
    return found


def _timer() -> float:
    command = (sys.executable, "-c", TIMER)
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(printed.stdout)


def main() -> int:
    """Run the three, and return 1 if one of them fails."""
    print("v2 beside itself")
    same = [answer["runs"][1]["verdict"] not in {"faster", "slower"} for answer in beside("v2")]
    print(f"v2 beside {OTHER}")
    ranked = [answer["runs"][1]["verdict"] == "faster" for answer in beside(OTHER)]
    print("p50 beside torch.utils.benchmark.Timer")
    timed = with_timer()
    difference, floor = timed.difference, median(timed.floors)
    print(f"medians {difference:+.1%}, floor {floor:.1%}; {timed.agreeing} of {TURNS} turns alone")
    verdicts: Sequence[tuple[str, int, int, int]] = (
        ("beside itself ~", sum(same), RUNS, RUNS - -(-RUNS // 20)),
        ("ranked right", sum(ranked), RUNS, RUNS),
        ("agrees with Timer", int(abs(difference) <= floor), 1, 1),
    )
    for title, count, of, least in verdicts:
        print(f"{title}: {count} of {of}, at least {least}")
    return int(any(count < least for _, count, _, least in verdicts))


if __name__ == "__main__":
    raise SystemExit(main())
