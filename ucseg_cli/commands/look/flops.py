"""The command ``ucseg flops``."""

from __future__ import annotations

from ucseg_cli.cli.options import (
    ConventionOption,
    DeployOption,
    OneInput,
    OneModel,
    ReconcileOption,
    Rows,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def flops(
    *,
    of: OneModel,
    at: OneInput,
    convention: ConventionOption = None,
    rows: Rows,
    deploy: DeployOption = False,
    reconcile: ReconcileOption = False,
    output: Output,
) -> int:
    """Count operations by module and operator.

    Under a convention, with what the convention leaves out.
    """
    from ucseg_cli.analysis.counting.conventions import find_convention
    from ucseg_cli.report.answers.look.flops import flops_report
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure

    settings = project()
    conditions, priced, arrangement = (
        at.conditions(settings),
        find_convention(convention or settings.convention),
        rows.arrangement,
    )
    (subject,) = measure(
        [of.name(settings)], conditions, settings, cache=at.open_cache(), deploy=deploy
    )
    report = flops_report(subject, conditions, priced, arrangement, reconciled=reconcile)
    output.deliver(report, [subject])
    return ExitStatus.OK
