"""The command ``ucseg identify``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import ExitZeroOption, NoCacheOption, TopOption, open_cache
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
    no_cache: NoCacheOption = False,
    exit_zero: ExitZeroOption = False,
    top: TopOption = None,
    output: Output,
) -> int:
    """Find the variant that a checkpoint fits.

    Reads names and shapes, never data: every axis that they determine, and how the file differs
    from the nearest variant; exits with 1 if it fits none.

    Examples:
      ucseg identify weights.pt
      ucseg identify checkpoint.ckpt+key=ema --top 5
    """
    from ucseg_cli.analysis.family.fit_checkpoint import identify, propose
    from ucseg_cli.report.answers.learn.identify import identify_report
    from ucseg_cli.workflow.checkpoints.find_checkpoint import read_checkpoint, trace_candidate
    from ucseg_cli.workflow.load_project import load_project

    settings = load_project()
    state = read_checkpoint(checkpoint, settings)
    candidate = propose(state, settings.family, settings.default.name)
    found = identify(candidate, trace_candidate(candidate.variant, open_cache(no_cache=no_cache)))
    output.deliver(identify_report(checkpoint, found, top))
    return ExitStatus.OK if exit_zero or found.loading.is_strict else ExitStatus.GATE_FAILED
