"""The command ``ucseg flops``."""

from __future__ import annotations

from ucseg_cli.console.options import ConventionOption, DeployOption, OneInput, OneModel, ReconcileOption, Rows
from ucseg_cli.console.output import Output
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
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.console.project import project
    from ucseg_cli.report.deploy import after_folding
    from ucseg_cli.report.flops import flops_report
    from ucseg_cli.report.recorded import as_recorded

    settings = project()
    conditions, priced, arrangement = (
        at.conditions(settings),
        find_convention(convention or settings.convention),
        rows.arrangement,
    )
    (subject,) = measure([of.name(settings)], conditions, settings, cache=at.open_cache(), deploy=deploy)
    report = flops_report(subject, conditions, priced, arrangement, reconciled=reconcile)
    deliver(as_recorded(after_folding(report, [subject]), [subject]), output)
    return ExitStatus.OK
