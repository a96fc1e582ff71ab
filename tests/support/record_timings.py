"""``python tests/support/record_timings.py``: the times on the pages, measured here and stored.

Run it on a machine that does nothing else; then ``pytest --update-golden``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ucseg_cli.facts.choices import MEASURING_TIME
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.facts.timing.timing_question import TimingQuestion
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.gate.timing_processes import TimingProcess, timing_processes
from ucseg_cli.references.variants import as_variant
from ucseg_cli.system.machine_state import read_counters, read_machine
from ucseg_cli.workflow.timing.run_rounds import run_rounds

STORED = Path(__file__).parents[1] / "data" / "timings.json"
SHOWN = (("v2", "v2+rates=3,6,9", "v2+head=before-upsample"), ("v1", "v2"))
"""The models that a page times together, at 224 pixels."""
PASSES = 20


class Recorded:
    """A process, and all that it measured, in order."""

    def __init__(self, process: TimingProcess) -> None:
        self._process = process
        self.first = 0
        self.calls: list[int] = []
        self.received = 0

    def run_first(self) -> tuple[Block, float | None]:
        """The first call."""
        block, difference = self._process.run_first()
        self.first = block.calls[0]
        return block, difference

    def run_block(self, count: int) -> Block:
        """So many calls."""
        block = self._process.run_block(count)
        self.calls += block.calls
        self.received += block.received or 0
        return block

    def stored(self) -> Mapping[str, Any]:
        """Everything as JSON has it."""
        received = round(self.received / sum(self.calls), 4)
        return {"first": self.first, "received": received, "calls": self.calls}


def record(names: tuple[str, ...]) -> Mapping[str, Any]:
    """The streams of one measurement: of the first model, of the same again, and of the others."""
    every = [names[0], *names]
    questions = [TimingQuestion(as_variant(name), Conditions(), TimingSetup()) for name in every]
    before = read_counters()
    with timing_processes(questions, 300) as processes:
        for process in processes:
            process.wait_until_built()
        recorded = list(map(Recorded, processes))
        run_rounds(recorded, MEASURING_TIME, lambda _: None)
        after = read_counters()
        modules = {
            name: process.time_modules(PASSES)
            for name, process in zip(names, [processes[0], *processes[2:]], strict=True)
        }
    return {
        "models": list(names),
        "streams": [one.stored() for one in recorded],
        "readings": [_readings(one) for one in (before, after)],
        "modules": modules,
    }


def _readings(readings: Any) -> Mapping[str, Any]:
    load = None if readings.load is None else str(readings.load)
    return {**readings._asdict(), "load": load}


def main() -> None:
    """Measure, and write."""
    machine = read_machine()._asdict()
    measurements = list(map(record, SHOWN))
    text = json.dumps({"machine": machine, "measurements": measurements})
    STORED.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
