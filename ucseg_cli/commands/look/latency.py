"""The command ``ucseg latency``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ucseg_cli.cli.number_type import THREADS, TIME_LIMIT
from ucseg_cli.cli.options import (
    JUDGE,
    MEASURE,
    DepthOption,
    ExitZeroOption,
    ManyModels,
    OneInput,
    TopOption,
    choice,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus
from ucseg_cli.facts.choices import DEVICES, DTYPES, MEASURING_TIME, RUNTIMES

if TYPE_CHECKING:
    from ucseg_cli.facts.settings import SavedMachine
    from ucseg_cli.facts.timing.timing_setup import TimingSetup


def complete_time_limit(incomplete: str) -> list[str]:
    """Shell completion of a metric of time with the sign that follows it."""
    from ucseg_cli.analysis.timing.latency_limits import METRIC_SHARES

    return [f"{name}=" for name in METRIC_SHARES if name.startswith(incomplete)]


class How(NamedTuple):
    """How models are run, and for how long."""

    device: Annotated[
        str, choice("--device", noun="device", known=DEVICES, help="Where models run")
    ] = DEVICES[0]
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            click_type=THREADS,
            help="Of the CPU, for one call; 1 unless given.",
            rich_help_panel=MEASURE,
        ),
    ] = None
    runtime: Annotated[
        str, choice("--runtime", noun="runtime", known=RUNTIMES, help="What runs models")
    ] = RUNTIMES[0]
    dtype: Annotated[
        str | None,
        choice("--dtype", noun="dtype", known=DTYPES, help="Of weights and inputs"),
    ] = None
    cuda_graph: Annotated[
        bool,
        typer.Option(
            "--cuda-graph",
            help="Replay a call as a CUDA graph, without the host's work.",
            rich_help_panel=MEASURE,
        ),
    ] = False
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds",
            metavar="N",
            click_type=TIME_LIMIT,
            help="Seconds that measuring takes at most.",
            rich_help_panel=MEASURE,
        ),
    ] = MEASURING_TIME

    def setup(self, machine: SavedMachine | None = None) -> TimingSetup:
        """The setup as typed, with the threads that a *machine* of the configuration has."""
        from ucseg_cli.facts.timing.timing_setup import TimingSetup

        threads = self.threads or (machine and machine.threads) or 1
        return TimingSetup(self.device, threads, self.runtime, self.dtype, self.cuda_graph)


MaxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--max",
        "-m",
        metavar="METRIC=TIME",
        help="A limit, as in latency-p95=33ms, with --on; repeatable.",
        autocompletion=complete_time_limit,
        rich_help_panel=JUDGE,
    ),
]
OnOption = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="MACHINE",
        help="The machine of the configuration that this has to be.",
        rich_help_panel=JUDGE,
    ),
]
ByModuleOption = Annotated[
    bool,
    typer.Option("--by-module", help="Also the share of each module.", rich_help_panel=MEASURE),
]


def latency(
    *,
    of: ManyModels,
    at: OneInput,
    how: How,
    by_module: ByModuleOption = False,
    maximum: MaxOption = None,
    on: OnOption = None,
    exit_zero: ExitZeroOption = False,
    depth: DepthOption = 2,
    top: TopOption = None,
    output: Output,
) -> int:
    """Measure time, beside its noise floor.

    Models take turns in random order; the first is also compared with itself, and a difference
    below that is not ranked. Exits with 2 if the machine is too noisy, and with 1 if a limit is
    exceeded.

    Examples:
      ucseg latency v2 v2+head=before-upsample --size 512
      ucseg latency net.py:Net --by-module --runtime onnxruntime
      ucseg latency v2 --max latency-p95=33ms --on bench
    """
    from ucseg_cli.report.answers.look.latency import latency_report
    from ucseg_cli.report.parts.module_table import Arrangement
    from ucseg_cli.workflow.measure import measure
    from ucseg_cli.workflow.timing.find_machine import find_machine, read_limits
    from ucseg_cli.workflow.timing.time_models import TimingWish, time_models

    settings = at.project()
    limits, machine = read_limits(maximum or (), on), find_machine(on, settings)
    setup = how.setup(machine)
    conditions, cache = at.conditions(settings), at.open_cache()
    subjects = measure(of.find(settings), [conditions], settings, cache=cache)
    conditions = conditions.as_run(*(subject.trace for subject in subjects))
    wish = TimingWish(setup, how.seconds, limits, by_module, on)
    answer = time_models(subjects, conditions, wish, settings)
    arrangement = Arrangement(depth, top=top)
    output.deliver(latency_report(answer, subjects, arrangement, on), subjects)
    failed = answer.exit_status is ExitStatus.GATE_FAILED
    return ExitStatus.OK if failed and exit_zero else answer.exit_status
