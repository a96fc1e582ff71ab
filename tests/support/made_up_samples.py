"""Made-up times: streams of blocks with known medians and noise."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ucseg_cli.analysis.timing.samples import Samples
from ucseg_cli.analysis.timing.timing_answer import Measured
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.system.machine import Machine, MachineState

MS = 1_000_000
MACHINE = Machine("Some Processor", 4, 16_000_000_000, "Linux x86_64")


def exact(*medians: int, first: int = 9 * MS) -> Samples:
    """A stream with blocks of these medians exactly, each of one call."""
    return Samples(first, [], [Block((median,)) for median in medians])


def stream(
    median: int, rounds: int = 40, *, noise: float = 0.01, seed: int = 0, drift: float = 0.0
) -> Samples:
    """Blocks of three calls around a median, with normal noise, and drift from end to end."""
    random = Random(f"{seed} {median}")
    blocks = []
    for number in range(rounds):
        moved = median * (1 + drift * number / rounds)
        calls = tuple(round(moved * random.gauss(1, noise)) for _ in range(3))
        blocks.append(Block(calls, received=sum(calls)))
    return Samples(5 * median, [Block((2 * median,))], blocks)


def measured(
    *streams: Samples,
    names: Sequence[str] = (),
    state: MachineState | None = None,
    seconds: tuple[float, float] = (12.0, 30.0),
) -> Measured:
    """A measurement with these streams: the baseline, its twin, others."""
    others = [f"model{number}" for number in range(1, len(streams) - 1)]
    known = MachineState() if state is None else state
    return Measured(names or ["base", *others], streams, MACHINE, known, seconds)
