"""The command ``ucseg flops``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from ucseg_cli.cli.options import (
    MEASURE,
    ConventionOption,
    DeployOption,
    DtypeOption,
    OneInput,
    OneModel,
    ReconcileOption,
    Rows,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.cli.training_options import TrainingOptions
from ucseg_cli.errors import ExitStatus, UsageError

IntensityOption = Annotated[
    bool,
    typer.Option(
        "--intensity",
        help="Operations for each byte that is moved: what traffic with memory bounds.",
        rich_help_panel=MEASURE,
    ),
]


def flops(
    *,
    of: OneModel,
    at: OneInput,
    convention: ConventionOption = None,
    deploy: DeployOption = False,
    intensity: IntensityOption = False,
    dtype: DtypeOption = None,
    reconcile: ReconcileOption = False,
    training: TrainingOptions,
    rows: Rows,
    output: Output,
) -> int:
    """Count operations by module and operator.

    Under a convention, with what the convention leaves out; with --train of forward and backward.

    Examples:
      ucseg flops v2 --size 512 --intensity
      ucseg flops torchvision:resnet50 --depth 1 --reconcile
      ucseg flops v2 --train --batch 8
    """
    from ucseg_cli.analysis.counting.conventions import CONVENTIONS
    from ucseg_cli.report.answers.look.flops import flops_report
    from ucseg_cli.workflow.measure import measure

    if dtype is not None and not intensity:
        what, fix = "operations do not depend on a dtype", "add --intensity for bytes per operation"
        raise UsageError(what, where=f"--dtype {dtype}", help=fix)
    settings = at.project()
    conditions, cache = training.applied_to(at.conditions(settings)), at.open_cache()
    if conditions.training is not None:
        asked = {"--deploy": deploy, "--reconcile": reconcile, "--intensity": intensity}
        _refuse_for_training(convention, asked)
        convention = convention or TRAINED
    (subject,) = measure([of.find(settings)], [conditions], settings, cache=cache, deploy=deploy)
    priced = CONVENTIONS[convention or settings.convention]
    conditions = conditions.as_run(subject.trace)
    report = flops_report(subject, conditions, priced, rows.arrangement, reconciled=reconcile)
    if intensity:
        from ucseg_cli.report.answers.look.intensity import with_intensity

        report = with_intensity(report, subject, priced, rows.arrangement, dtype)
    output.deliver(report, [subject])
    return ExitStatus.OK


TRAINED = "torch"
"""The convention of a training step, unless another is named."""


def _refuse_for_training(convention: str | None, of_inference: Mapping[str, bool]) -> None:
    from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Level

    if convention is not None and CONVENTIONS[convention].level is not Level.KERNELS:
        what, fix = f"{convention} counts no backward pass", "write --convention torch, or macs"
        raise UsageError(what, where=f"--convention {convention}", help=fix)
    for option, is_given in of_inference.items():
        if is_given:
            what, fix = f"{option} is of inference", "leave it or --train out"
            raise UsageError(what, where=option, help=fix)
