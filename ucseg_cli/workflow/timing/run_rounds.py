"""Rounds of blocks: every model has its turn in each, until more would say no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ucseg_cli.analysis.timing.block_plan import are_enough, calls_in_block, is_warm, orders
from ucseg_cli.analysis.timing.samples import Samples, median
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.terminal.progress import progress_in_words

WARM_UP_SHARE = 0.2
"""The part of the time that may pass before all models are warm."""


class Runs(Protocol):
    """A process that runs one model when it is asked."""

    def run_first(self) -> tuple[Block, float | None]:
        """The first call, and by how much its outputs differ from those of eager mode."""

    def run_block(self, count: int) -> Block:
        """So many calls."""


class Rounds(NamedTuple):
    """The measurements of each process.

    Args:
        seconds: since the first calls.
        partial: whether the user stopped it.
    """

    streams: Sequence[Samples]
    differences: Sequence[float | None]
    seconds: float
    partial: bool


def run_rounds(
    processes: Sequence[Runs],
    seconds: float,
    announce: Callable[[str], None],
) -> Rounds:
    """First calls, warm-up, then rounds for at most so many seconds, but one at least.

    On Ctrl-C there is what was measured by then; without a whole round, KeyboardInterrupt is
    raised.
    """
    announce("first calls…")
    firsts = [process.run_first() for process in processes]
    began = time.monotonic()
    announce("warming up…")
    until = seconds * WARM_UP_SHARE / len(processes)
    warm_ups = [_warm_up(process, until) for process in processes]
    counts = [calls_in_block(median(blocks[-1].kept)) for blocks in warm_ups]
    streams = [
        Samples(first.calls[0], warm_up, [])
        for (first, _), warm_up in zip(firsts, warm_ups, strict=True)
    ]
    partial = False
    try:
        for order in orders(len(processes)):
            blocks = {place: processes[place].run_block(counts[place]) for place in order}
            streams = [
                samples._replace(blocks=[*samples.blocks, blocks[place]])
                for place, samples in enumerate(streams)
            ]
            passed = time.monotonic() - began
            announce(f"timing, round {len(streams[0].blocks)}: {_progress(passed, seconds)}")
            if passed >= seconds or are_enough(streams):
                break
    except KeyboardInterrupt:
        if not streams[0].blocks:
            raise
        partial = True
    differences = [difference for _, difference in firsts]
    return Rounds(streams, differences, time.monotonic() - began, partial)


def _warm_up(process: Runs, seconds: float) -> list[Block]:
    """Blocks until the model no longer becomes faster, or its time is up."""
    until = time.monotonic() + seconds
    blocks = [process.run_block(1)]
    while not is_warm([median(block.kept) for block in blocks]) and time.monotonic() < until:
        blocks.append(process.run_block(calls_in_block(median(blocks[-1].kept))))
    return blocks


def _progress(passed: float, seconds: float) -> str:
    tenths = round(seconds * 10)
    return progress_in_words(min(round(passed * 10), tenths), tenths, passed)
