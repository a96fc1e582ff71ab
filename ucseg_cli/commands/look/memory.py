"""The command ``ucseg memory``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import TRAINING, DtypeOption, OneInput, OneModel, TopOption
from ucseg_cli.cli.output_options import Output
from ucseg_cli.cli.training_options import TrainingOptions
from ucseg_cli.errors import ExitStatus, UsageError

FitsOption = Annotated[
    str | None,
    typer.Option(
        "--fits",
        metavar="BYTES",
        help="The largest batch whose training step fits: 8GB, 24GiB.",
        rich_help_panel=TRAINING,
    ),
]


def memory(
    *,
    of: OneModel,
    at: OneInput,
    dtype: DtypeOption = None,
    training: TrainingOptions,
    fits: FitsOption = None,
    top: TopOption = None,
    output: Output,
) -> int:
    """Find the peak memory of inference, or of a training step.

    Where it is, what is alive there, and what is kept longer than it is used.

    Examples:
      ucseg memory v2 --size 512
      ucseg memory net.py:Net --batch 8 --dtype float16
      ucseg memory v2 --size 512 --train --optimizer adamw --fits 8GB
    """
    from ucseg_cli.report.answers.look.memory import memory_report
    from ucseg_cli.units import parse_count
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    conditions, cache = training.applied_to(at.conditions(settings)), at.open_cache()
    model = of.find(settings)
    if conditions.training is None:
        _refuse("--fits", fits, "is of a training step", "write --train --fits")
        (subject,) = measure([model], [conditions], settings, cache=cache)
        report = memory_report(subject, conditions.as_run(subject.trace), dtype, top=top)
        output.deliver(report, [subject])
        return ExitStatus.OK
    from ucseg_cli.report.answers.look.memory_of_training import training_memory_report
    from ucseg_cli.workflow.largest_batch import find_largest_batch

    _refuse("--dtype", dtype, "is not of a training step", "write --amp for autocast")
    batches = None
    if fits is not None:
        if at.batch != 1:
            what, fix = "--fits finds the batch", "leave one of them out"
            raise UsageError(what, where=f"--batch {at.batch}", help=fix)
        limit = parse_count(fits, in_bytes=True, where=f"--fits {fits[:24]}")
        batches = find_largest_batch(model, conditions, limit, settings, cache)
        conditions = conditions._replace(batch=batches.shown)
    (subject,) = measure([model], [conditions], settings, cache=cache)
    conditions = conditions.as_run(subject.trace)
    output.deliver(training_memory_report(subject, conditions, batches, top=top), [subject])
    fitted = batches is None or batches.largest is not None
    return ExitStatus.OK if fitted else ExitStatus.GATE_FAILED


def _refuse(option: str, value: str | None, why: str, fix: str) -> None:
    if value is not None:
        raise UsageError(f"{option} {why}", where=f"{option} {value[:24]}", help=fix)
