"""Processes that replay times instead of running models, on a machine and a clock of their own.

The times that pages show were measured, and are in tests/data; all others are made up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from itertools import chain, cycle, repeat
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from support.record_timings import STORED
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.facts.timing.timing_question import TimingQuestion
from ucseg_cli.gate import timing_processes
from ucseg_cli.references.variants import Variant, as_variant
from ucseg_cli.system.machine import Machine, Readings
from ucseg_cli.workflow.timing import run_rounds, time_models

MS = 1_000_000
MADE_UP_MODULES = {"": 100, "features": 100, "features.0": 500, "aspp": 300}


class FakeMachine:
    """A test may set how noisy it is, what it reads of itself, and when Ctrl-C comes."""

    def __init__(self) -> None:
        self.noise = 0.004
        self.machine = Machine("Some Processor", 2, 16_000_000_000, "Linux x86_64")
        self.readings = [
            Readings(Fraction(31, 100), "performance", (1000, 0), 3),
            Readings(Fraction(131, 100), "performance", (4000, 3), 3),
        ]
        self.received = 0.97
        self.difference: float | None = 1.25e-6
        """The share by which outputs of any other runtime differ from those of eager mode."""
        self.interrupted_at: int | None = None
        """The block, of all processes together, at which the user stops it."""
        self.questions: list[TimingQuestion] = []
        self.now = 0.0
        self._blocks = 0

    def read_machine(self) -> Machine:
        """All that identifies it."""
        return self.machine

    def read_counters(self) -> Readings:
        """Its counters: at first, and ever after."""
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def take(self, calls: Sequence[int]) -> None:
        """Let the time of a block pass."""
        self._blocks += 1
        self.now += sum(calls) / 1e9
        if self._blocks == self.interrupted_at:
            raise KeyboardInterrupt

    @contextmanager
    def processes(self, questions: Sequence[TimingQuestion], limit: float) -> Iterator[list[Any]]:
        """A process for each question."""
        assert limit > 0
        self.questions += questions
        yield [_MadeUp(question, place, self) for place, question in enumerate(questions)]


class _MadeUp:
    """Makes the times of one model up: variants take 10 ms, or half that with an early head."""

    def __init__(self, question: TimingQuestion, number: int, machine: FakeMachine) -> None:
        model = question.model
        name = model.key if isinstance(model, Variant) else str(model)
        typical = 5 * MS if "before-upsample" in name else 10 * MS
        random = Random(f"{name} {number}")
        drawn = (typical * random.gauss(1, machine.noise) for _ in iter(int, 1))
        self._machine = machine
        self._times = map(round, drawn)
        is_eager = question.setup.runtime == "eager"
        self._difference = None if is_eager else machine.difference
        self._on_gpu = not question.setup.is_on_cpu

    def wait_until_built(self) -> str | None:
        """The name of the GPU."""
        return "Some GPU" if self._on_gpu else None

    def run_first(self) -> tuple[Block, float | None]:
        """It takes six times as long as another."""
        return Block((6 * next(self._times),)), self._difference

    def run_block(self, count: int) -> Block:
        """So many calls."""
        calls = tuple(next(self._times) for _ in range(count))
        self._machine.take(calls)
        received = None if self._on_gpu else round(sum(calls) * self._machine.received)
        return Block(calls, received)

    def time_modules(self, passes: int) -> Mapping[str, int]:
        """A tenth in the model itself, and the rest in two of the family's parts."""
        assert passes >= time_models.FEWEST_PASSES
        return MADE_UP_MODULES


class StoredMachine(FakeMachine):
    """The machine on which the times of the pages were measured."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(**_stored()["machine"])
        self._stored_readings = cycle(_stored()["measurements"][0]["readings"])

    def read_counters(self) -> Readings:
        """Those from before a measurement and those from after it, in turn."""
        one = next(self._stored_readings)
        load, ticks = Fraction(one["load"]), tuple(one["ticks"])
        return Readings(load, one["governor"], ticks, one["throttled"])

    @contextmanager
    def processes(self, questions: Sequence[TimingQuestion], limit: float) -> Iterator[list[Any]]:
        """A process for each question; raises StopIteration or ValueError for others."""
        assert limit > 0
        found = next(
            one
            for one in _stored()["measurements"]
            if as_variant(one["models"][0]) == questions[0].model
        )
        assert questions[0].conditions == Conditions()
        models: list[Any] = [as_variant(name) for name in found["models"]]
        places = [models.index(question.model) + 1 for question in questions[1:]]
        modules = list(found["modules"].values())
        yield [
            _Replayed(found["streams"][place], modules[max(place - 1, 0)], self)
            for place in (0, *places)
        ]


class _Replayed:
    """Replays what a process measured."""

    def __init__(
        self, stream: Mapping[str, Any], modules: Mapping[str, int], machine: FakeMachine
    ) -> None:
        self._stream, self._modules, self._machine = stream, modules, machine
        self._times = chain.from_iterable(repeat(stream["calls"]))

    def wait_until_built(self) -> None:
        """It was on the CPU."""

    def run_first(self) -> tuple[Block, None]:
        """The first call."""
        return Block((self._stream["first"],)), None

    def run_block(self, count: int) -> Block:
        """So many calls."""
        calls = tuple(next(self._times) for _ in range(count))
        self._machine.take(calls)
        return Block(calls, round(sum(calls) * self._stream["received"]))

    def time_modules(self, _: int) -> Mapping[str, int]:
        """The time of each module."""
        return self._modules


@pytest.fixture
def fake_machine(monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """No model is run, and no time passes."""
    return _use(FakeMachine(), monkeypatch)


@pytest.fixture
def stored_machine(monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """The same with times that were measured."""
    return _use(StoredMachine(), monkeypatch)


def _use(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    clock = SimpleNamespace(monotonic=lambda: machine.now)
    monkeypatch.setattr(timing_processes, "timing_processes", machine.processes)
    monkeypatch.setattr(run_rounds, "time", clock)
    monkeypatch.setattr(time_models, "read_machine", machine.read_machine)
    monkeypatch.setattr(time_models, "read_counters", machine.read_counters)
    return machine


@cache
def _stored() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(STORED.read_text("utf-8"))
    return found
