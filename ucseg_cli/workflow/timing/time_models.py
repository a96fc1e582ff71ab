"""From references to measured time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ucseg_cli.analysis.subject import Subject
from ucseg_cli.analysis.timing.conclude_timing import conclude_timing, received_share
from ucseg_cli.analysis.timing.latency_limits import LatencyLimit
from ucseg_cli.analysis.timing.samples import Samples, statistics_of
from ucseg_cli.analysis.timing.timing_answer import Measured, TimingAnswer
from ucseg_cli.errors import UsageError
from ucseg_cli.facts.choices import MEASURING_TIME, RUNTIMES
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.timing.timing_question import TimingQuestion
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.gate import timing_processes
from ucseg_cli.gate.timing_processes import TimingProcess
from ucseg_cli.references import InMemory, Unbuildable
from ucseg_cli.system.machine import Machine, Readings, state_between
from ucseg_cli.system.machine_state import read_counters, read_machine
from ucseg_cli.terminal.progress import show_progress
from ucseg_cli.units import plural
from ucseg_cli.workflow.measure import refuse_failure
from ucseg_cli.workflow.memory_guard import refuse_too_many_at_once
from ucseg_cli.workflow.timing.find_machine import refuse_other_machine
from ucseg_cli.workflow.timing.run_rounds import run_rounds

Item = TypeVar("Item")
MODULE_TIME = 2_000_000_000
"""Nanoseconds that the clocks on the modules of one model may take."""
FEWEST_PASSES, MOST_PASSES = 5, 50


class TimingWish(NamedTuple):
    """The time that is asked for, and how.

    Args:
        setup: how models are run.
        seconds: that measuring takes at most.
        limits: on each model.
        by_module: whether the modules of each model are timed, too.
        on: the machine of the configuration that this has to be.
    """

    setup: TimingSetup = TimingSetup()
    seconds: float = MEASURING_TIME
    limits: Sequence[LatencyLimit] = ()
    by_module: bool = False
    on: str | None = None


def time_models(
    subjects: Sequence[Subject], conditions: Conditions, wish: TimingWish, settings: Settings
) -> TimingAnswer:
    """The time of each model on one input, beside the first, which is measured twice.

    Raises UsageError for what does not go together, and ResourceError where this machine cannot
    hold all of them at once.
    """
    _refuse_contradictions(wish)
    for subject in subjects:
        refuse_failure(subject, conditions)
        _refuse_in_memory(subject)
    machine, before = read_machine(), read_counters()  # before we add to the load
    _refuse_other(wish, machine, before, settings)
    models = [subject.model for subject in subjects]
    first = subjects[0]
    traces = [first.trace, *(one.trace for one in subjects)]
    refuse_too_many_at_once(traces, conditions, on_cpu=wish.setup.is_on_cpu)
    questions = [
        TimingQuestion(model, conditions, wish.setup)
        for model in (models[0], *models)
        if model is not None and not isinstance(model, Unbuildable)
    ]
    with (
        show_progress() as announce,
        timing_processes.timing_processes(questions, settings.timeout) as processes,
    ):
        announce(f"building {plural(len(subjects), 'model')}…")
        gpus = [process.wait_until_built() for process in processes]
        machine = machine._replace(gpu=gpus[0])
        _refuse_other(wish, machine, before, settings)
        rounds = run_rounds(processes, wish.seconds, announce)
        after = read_counters()
        own = _without_twin(processes)
        modules: list[Mapping[str, int]] = []
        if wish.by_module and not rounds.partial:
            announce("timing modules…")
            modules = list(_module_times(own, _without_twin(rounds.streams)))
    measured = Measured(
        names=[subject.name for subject in subjects],
        streams=rounds.streams,
        machine=machine,
        state=state_between(before, after, received_share(rounds.streams)),
        seconds=(rounds.seconds, wish.seconds),
        differences=_without_twin(rounds.differences),
        modules=modules,
        partial=rounds.partial,
    )
    return conclude_timing(measured, wish.setup, conditions, wish.limits)


def _refuse_in_memory(subject: Subject) -> None:
    """Raise UsageError for a module in memory: each model is timed in a process of its own."""
    if isinstance(subject.model, InMemory):
        what = f"{subject.name} is in this process, and is timed in one of its own"
        raise UsageError(what, where=subject.name, help="name what builds it, as in net.py:Net")


def _without_twin(items: Sequence[Item]) -> list[Item]:
    """Those of each process but the second, which runs the first's model again."""
    return [*items[:1], *items[2:]]


def _module_times(
    processes: Sequence[TimingProcess], streams: Sequence[Samples]
) -> Iterator[Mapping[str, int]]:
    for process, samples in zip(processes, streams, strict=True):
        passes = MODULE_TIME // max(statistics_of(samples.blocks).p50, 1)
        yield process.time_modules(min(max(passes, FEWEST_PASSES), MOST_PASSES))


def _refuse_other(
    wish: TimingWish, machine: Machine, readings: Readings, settings: Settings
) -> None:
    """Raise ResourceError where this is not the machine that was named, as far as that is known."""
    if wish.on is None:
        return
    saved = settings.machines[wish.on]
    if machine.gpu is None and not wish.setup.is_on_cpu:
        saved = saved._replace(gpu=None)  # it has its name once a model is on it
    refuse_other_machine(wish.on, saved, machine, readings.governor, wish.setup.threads)


def _refuse_contradictions(wish: TimingWish) -> None:
    """Raise UsageError for options that do not go together."""
    setup, eager, onnx = wish.setup, RUNTIMES[0], RUNTIMES[-1]
    if wish.by_module and setup.runtime != eager:
        what = f"modules have no time of their own with {setup.runtime}, which merges them"
        raise UsageError(what, where="--by-module", help=f"add --runtime {eager}")
    if setup.graph and setup.is_on_cpu:
        what = "a CUDA graph needs a GPU"
        raise UsageError(what, where="--cuda-graph", help="add --device cuda, or leave it out")
    if setup.graph and setup.runtime != eager:
        what = f"--cuda-graph captures eager mode, not {setup.runtime}"
        raise UsageError(what, where="--cuda-graph", help=f"add --runtime {eager}")
    if setup.runtime == onnx and not setup.is_on_cpu:
        what = f"{onnx} is timed on the CPU alone"
        raise UsageError(what, where=f"--runtime {onnx}", help="add --device cpu")
    if setup.runtime == onnx and setup.dtype == "bfloat16":
        what = f"{onnx} takes its inputs from numpy, which has no bfloat16"
        raise UsageError(what, where=f"--runtime {onnx}", help="add --dtype float16")
