"""The answer about measured time: one value with all that its reports say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.timing.latency_limits import LatencyCheck
from ucseg_cli.analysis.timing.noise_floor import Noise, Verdict
from ucseg_cli.analysis.timing.samples import Interval, Samples, Statistics
from ucseg_cli.errors import ExitStatus
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.system.machine import Machine, MachineState

STATUSES = {
    "interrupted": ExitStatus.INTERRUPTED,
    "no verdict": ExitStatus.NO_VERDICT,
    "fail": ExitStatus.GATE_FAILED,
    "pass": ExitStatus.OK,
}
"""How a measurement may end, for screen, JSON and exit status."""


class Measured(NamedTuple):
    """Everything that was measured.

    Args:
        names: of the models, the baseline first.
        streams: of the baseline, of the baseline again, and of each other model.
        differences: of each model's outputs from those of eager mode, as a share of the largest;
            None where it ran in eager mode.
        modules: by model, the nanoseconds that each module took for itself, by path.
        seconds: that measuring took, and how many it might have taken.
        partial: whether the user stopped it.
    """

    names: Sequence[str]
    streams: Sequence[Samples]
    machine: Machine
    state: MachineState
    seconds: tuple[float, float]
    differences: Sequence[float | None] = ()
    modules: Sequence[Mapping[str, int]] = ()
    partial: bool = False


class Run(NamedTuple):
    """A model: its figures, and how it stands to the baseline.

    Args:
        drift: of its second half from its first.
        ratio: of its p50 to the baseline's; None for the baseline itself, as the next two.
        paired: the ratio by round, with its interval; None of too few rounds.
        verdict: what follows from that interval; None without a noise floor.
        difference: of its outputs from those of eager mode, where another runtime ran it.
    """

    name: str
    samples: Samples
    statistics: Statistics
    drift: Fraction | None
    ratio: Fraction | None = None
    paired: Interval | None = None
    verdict: Verdict | None = None
    difference: float | None = None

    @property
    def is_ranked(self) -> bool:
        """Whether it is known to be faster or slower than the baseline."""
        return self.verdict in {Verdict.FASTER, Verdict.SLOWER}

    @property
    def change(self) -> Fraction | None:
        """How much more time than the baseline it takes, as a share of that one's."""
        return None if self.ratio is None else self.ratio - 1


class TimingAnswer(NamedTuple):
    """The conclusions of a measurement.

    Args:
        runs: of the models, the baseline first.
        noise: of the machine; *state* is what was read of it.
        troubles: why there is no verdict; none where there is.
        checks: of each model and limit.
        modules: by model, the nanoseconds that each module took for itself, by path.
    """

    setup: TimingSetup
    conditions: Conditions
    runs: Sequence[Run]
    noise: Noise
    machine: Machine
    state: MachineState
    seconds: tuple[float, float]
    rounds: int
    troubles: tuple[str, ...] = ()
    checks: tuple[LatencyCheck, ...] = ()
    modules: Sequence[Mapping[str, int]] = ()
    partial: bool = False

    @property
    def baseline(self) -> Run:
        """The model that the others are compared with."""
        return self.runs[0]

    @property
    def others(self) -> Sequence[Run]:
        """The models beside the baseline."""
        return self.runs[1:]

    @property
    def failed(self) -> Iterator[LatencyCheck]:
        """The limits that are exceeded."""
        return (check for check in self.checks if check.status == "fail")

    @property
    def status(self) -> str:
        """A key of STATUSES."""
        if self.partial:
            return "interrupted"
        if self.troubles:
            return "no verdict"
        return "fail" if any(self.failed) else "pass"

    @property
    def exit_status(self) -> ExitStatus:
        """The exit status of a command that only measures."""
        return STATUSES[self.status]
