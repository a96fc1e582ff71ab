"""The command ``ucseg flops``."""

from __future__ import annotations

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
    from ucseg_cli.report.answers.look.flops import flops_report
    from ucseg_cli.workflow.measure import measure

    if dtype is not None and not intensity:
        what, fix = "operations do not depend on a dtype", "add --intensity for bytes per operation"
        raise UsageError(what, where=f"--dtype {dtype}", help=fix)
    settings = at.project()
    conditions, cache = training.applied_to(at.conditions(settings)), at.open_cache()
    training.refuse({"--deploy": deploy, "--reconcile": reconcile, "--intensity": intensity})
    priced = training.convention(convention, settings, of_a_step="torch")
    (subject,) = measure([of.find(settings)], [conditions], settings, cache=cache, deploy=deploy)
    conditions = conditions.as_run(subject.trace)
    report = flops_report(subject, conditions, priced, rows.arrangement, reconciled=reconcile)
    if intensity:
        from ucseg_cli.report.answers.look.intensity import with_intensity

        report = with_intensity(report, subject, priced, rows.arrangement, dtype)
    output.deliver(report, [subject])
    return ExitStatus.OK
