"""The devices on which calls are timed: the CPU by its clock, a GPU by its own events."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns, thread_time_ns
from typing import Any

import torch

from ucseg_cli.errors import ResourceError
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.facts.timing.timing_setup import TimingSetup

Call = Callable[[], Any]
WARM_UP_OF_A_GRAPH = 3
"""Calls on a side stream before one is captured, as torch's documentation has it."""


class Cpu:
    """Calls on the CPU, by the host's clock.

    *is_alone* is whether a call is the work of the thread that makes it.
    """

    name: str | None = None

    def __init__(self, *, is_alone: bool) -> None:
        self._is_alone = is_alone

    def run_block(self, call: Call, count: int) -> Block:
        """So many calls, one after the other."""
        with _without_garbage():
            began = thread_time_ns()
            times = [self._time(call) for _ in range(count)]
            received = thread_time_ns() - began
        return Block(times, received if self._is_alone else None)

    def now(self) -> int:
        """Nanoseconds on a clock, once all is done."""
        return perf_counter_ns()

    def _time(self, call: Call) -> int:
        began = perf_counter_ns()
        call()
        return perf_counter_ns() - began


class Gpu:
    """Calls on a GPU, by events in its own queue; *cuda* is torch's module of that name."""

    def __init__(self, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda
        self.name: str | None = cuda.get_device_name()

    def run_block(self, call: Call, count: int) -> Block:
        """So many calls, of which each is done before the next begins."""
        self._cuda.synchronize()
        with _without_garbage():
            return Block([self._time(call) for _ in range(count)])

    def now(self) -> int:
        """Nanoseconds on the host's clock, once all is done."""
        self._cuda.synchronize()
        return perf_counter_ns()

    def graph_of(self, call: Call) -> Call:
        """A call that replays what *call* launches, without the work of the host."""
        side = self._cuda.Stream()
        side.wait_stream(self._cuda.current_stream())
        with self._cuda.stream(side):
            for _ in range(WARM_UP_OF_A_GRAPH):
                call()
        self._cuda.current_stream().wait_stream(side)
        graph = self._cuda.CUDAGraph()
        with self._cuda.graph(graph):
            output = call()

        def replay() -> Any:
            graph.replay()
            return output

        return replay

    def _time(self, call: Call) -> int:
        start, end = (self._cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        milliseconds: float = start.elapsed_time(end)
        return round(milliseconds * 1e6)


Device = Cpu | Gpu


@contextmanager
def _without_garbage() -> Iterator[None]:
    """While it lasts, Python does not look for garbage, as ``timeit`` has it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def find_device(setup: TimingSetup) -> Device:
    """The device; raises ResourceError where there is none."""
    if setup.is_on_cpu:
        return Cpu(is_alone=setup.threads == 1)
    if not torch.cuda.is_available():
        raise ResourceError(
            "torch finds no CUDA device",
            where=f"--device {setup.device}",
            notes=(f"torch {torch.__version__}",),
            help="`--device cpu` times on this machine's processor",
        )
    return Gpu()
