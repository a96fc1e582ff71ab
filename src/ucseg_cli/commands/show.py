"""The command ``ucseg show``."""

from __future__ import annotations

from ucseg_cli.console.options import ConventionOption, DeployOption, OneInput, OneModel, Output
from ucseg_cli.errors import ExitStatus


def show(
    *, of: OneModel, at: OneInput, convention: ConventionOption = "fvcore", deploy: DeployOption = False, output: Output
) -> int:
    """Show one model on one screen.

    Totals, axes, taps and the heaviest modules.
    """
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.report.deploy import after_folding
    from ucseg_cli.report.show import show_report

    conditions, priced = at.conditions, find_convention(convention)
    (subject,) = measure([of.name], conditions, cache=at.open_cache(), deploy=deploy)
    deliver(after_folding(show_report(subject, conditions, priced), [subject]), output)
    return ExitStatus.OK
