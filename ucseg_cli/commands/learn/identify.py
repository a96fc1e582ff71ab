"""The command ``ucseg identify``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import ExitZeroOption, NoCacheOption, TopOption
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

CheckpointArgument = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT", help="A file of weights, as in weights.pt or weights.pt+key=ema."
    ),
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
    from ucseg_cli.analysis.family.fit_checkpoint import identify, propose
    from ucseg_cli.cli.options import at_least
    from ucseg_cli.report.answers.learn.identify import identify_report
    from ucseg_cli.workflow.find_checkpoint import read_checkpoint, trace_candidate
    from ucseg_cli.workflow.load_project import project

    settings = project()
    top = None if top is None else at_least(top, 1, "--top")
    candidate = propose(read_checkpoint(checkpoint, settings), settings.variants, settings.default)
    found = identify(candidate, trace_candidate(candidate.variant, no_cache=no_cache))
    output.deliver(identify_report(checkpoint, found, top))
    return ExitStatus.OK if exit_zero or found.fits else ExitStatus.GATE_FAILED
