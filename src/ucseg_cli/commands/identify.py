"""The command ``ucseg identify``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.console.options import ExitZeroOption, NoCacheOption, TopOption
from ucseg_cli.console.output import Output
from ucseg_cli.errors import ExitStatus

CheckpointArgument = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="A file of weights, as in weights.pt or weights.pt+key=ema.")
]


def identify(
    *,
    checkpoint: CheckpointArgument,
    top: TopOption = None,
    no_cache: NoCacheOption = False,
    exit_zero: ExitZeroOption = False,
    output: Output,
) -> int:
    """Tell which variant a checkpoint fits.

    Reads names and shapes, never data: every axis that these determine, and how the file differs from the nearest
    variant; exits with 1 where it fits none.
    """
    from ucseg_cli.analysis.identify import identify, propose
    from ucseg_cli.console.checkpoints import read_checkpoint, trace_candidate
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.options import at_least
    from ucseg_cli.console.project import project
    from ucseg_cli.report.identify import identify_report

    settings = project()
    top = None if top is None else at_least(top, 1, "--top")
    candidate = propose(read_checkpoint(checkpoint, settings), settings.variants, settings.default)
    found = identify(candidate, trace_candidate(candidate.variant, no_cache=no_cache))
    deliver(identify_report(checkpoint, found, top), output)
    return ExitStatus.OK if exit_zero or found.fits else ExitStatus.GATE_FAILED
