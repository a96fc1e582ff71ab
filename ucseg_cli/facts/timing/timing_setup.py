"""How models are run while they are timed."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.facts.choices import DEVICES, DTYPE, RUNTIMES
from ucseg_cli.units import plural


class TimingSetup(NamedTuple):
    """How every model of a measurement is run.

    Args:
        device: one of DEVICES.
        threads: of the CPU, for one call.
        runtime: one of RUNTIMES.
        dtype: of floating-point weights and inputs; None leaves them as they are.
        graph: whether a GPU replays the kernels of one call as a CUDA graph.
    """

    device: str = DEVICES[0]
    threads: int = 1
    runtime: str = RUNTIMES[0]
    dtype: str | None = None
    graph: bool = False

    @property
    def is_on_cpu(self) -> bool:
        """Whether the calls run where this process does."""
        return self.device == DEVICES[0]

    @property
    def shown_device(self) -> str:
        """As a header has it: ``cpu, 1 thread``."""
        return f"{self.device}, {plural(self.threads, 'thread')}"

    @property
    def shown_runtime(self) -> str:
        """As a header has it: ``eager``, or ``eager, CUDA graph``."""
        return f"{self.runtime}, CUDA graph" if self.graph else self.runtime

    @property
    def shown_dtype(self) -> str:
        """The type that was asked for, else that of most models."""
        return self.dtype or DTYPE
