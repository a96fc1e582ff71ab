"""The command ``ucseg show``."""

from __future__ import annotations

from ucseg_cli.console.options import ConventionOption, DeployOption, OneInput, OneModel
from ucseg_cli.console.output import Output
from ucseg_cli.errors import ExitStatus


def show(
    *, of: OneModel, at: OneInput, convention: ConventionOption = None, deploy: DeployOption = False, output: Output
) -> int:
    """Show one model on one screen.

    Totals, axes, taps and the heaviest modules.
    """
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.console.project import project
    from ucseg_cli.report.deploy import after_folding
    from ucseg_cli.report.recorded import as_recorded
    from ucseg_cli.report.show import show_report

    settings = project()
    conditions, priced = at.conditions(settings), find_convention(convention or settings.convention)
    (subject,) = measure([of.name(settings)], conditions, settings, cache=at.open_cache(), deploy=deploy, run=False)
    report = show_report(subject, conditions, priced, settings)
    deliver(as_recorded(after_folding(report, [subject]), [subject]), output)
    return ExitStatus.OK
