"""The command ``ucseg lock``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import (
    JUDGE,
    MEASURE,
    MODEL,
    InputOption,
    ManyModels,
    NoCacheOption,
    TimeoutOption,
    open_cache,
    project_with,
    typed_inputs,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

SizesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--size",
        "-s",
        metavar="H[xW]",
        help="Input sizes to lock; else those locked before, or configured; repeatable.",
        rich_help_panel=MEASURE,
    ),
]
ReasonOption = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="Why a figure may be higher than before; kept in the lock.",
        rich_help_panel=JUDGE,
    ),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="MODEL",
        help="Take a model out of the lock; repeatable.",
        rich_help_panel=MODEL,
    ),
]


def lock(
    *,
    of: ManyModels,
    drop: DropOption = None,
    size: SizesOption = None,
    input: InputOption = None,  # noqa: A002 - the option's name
    timeout: TimeoutOption = None,
    no_cache: NoCacheOption = False,
    reason: ReasonOption = None,
    output: Output,
) -> int:
    """Record models in a lock file.

    In ucseg.lock.json, for `check --locked`. Without models: those that are locked, else those of
    the budgets, else the default. A higher total needs a --reason; without one the lock stays as
    it is, and the exit status is 1.

    Examples:
      ucseg lock v1 v2
      ucseg lock --reason "wider decoder, see the issue"
    """
    from ucseg_cli.report.answers.keep.lock import lock_report
    from ucseg_cli.workflow.update_lock import plan_update

    settings, cache = project_with(timeout, needed=True), open_cache(no_cache=no_cache)
    inputs = typed_inputs(settings, size or (), input)
    update = plan_update(settings, of.named(settings), inputs, drop or (), reason, cache=cache)
    if update.accepted:
        update.write()
    report = lock_report(
        update.path_shown,
        update.changes,
        accepted=update.accepted,
        dropped=drop or (),
        reason=reason,
    )
    output.deliver(report, prices=settings.prices)
    return ExitStatus.OK if update.accepted else ExitStatus.GATE_FAILED
