"""The command ``ucseg lock``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import ManyModels, NoCacheOption
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

SizesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--size",
        "-s",
        metavar="H[xW]",
        help="Input sizes to lock; else those locked before, or configured; repeatable.",
    ),
]
ReasonOption = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="TEXT", help="Why a figure may be higher than before; kept in the lock."
    ),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="MODEL", help="Take a model out of the lock; repeatable."),
]


def lock(
    *,
    of: ManyModels,
    size: SizesOption = None,
    reason: ReasonOption = None,
    drop: DropOption = None,
    no_cache: NoCacheOption = False,
    output: Output,
) -> int:
    """Write down what models are.

    Into ucseg.lock.json, for `check --locked`. Without models, those that are locked already, else those of the
    budgets, else the default. A higher total wants a --reason; without one nothing is written, and the exit is 1.
    """
    from ucseg_cli.report.answers.keep.lock import lock_report
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import open_cache
    from ucseg_cli.workflow.update_lock import plan_update

    cache = None if no_cache else open_cache()
    update = plan_update(
        project(needed=True), of.named, size or (), drop or (), reason, cache=cache
    )
    if update.accepted:
        update.write()
    report = lock_report(
        update.path_shown,
        update.changes,
        accepted=update.accepted,
        dropped=drop or (),
        reason=reason,
    )
    output.deliver(report)
    return ExitStatus.OK if update.accepted else ExitStatus.GATE_FAILED
