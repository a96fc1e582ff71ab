"""The command ``ucseg show``."""

from __future__ import annotations

from ucseg_cli.console.options import ConventionOption, OneInput, OneModel, Output
from ucseg_cli.errors import ExitStatus


def show(*, of: OneModel, at: OneInput, convention: ConventionOption = "fvcore", output: Output) -> int:
    """Show one model on one screen.

    Totals, axes, taps and the heaviest modules.
    """
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.report.show import show_report

    conditions, priced = at.conditions, find_convention(convention)
    (subject,) = measure([of.name], conditions, no_cache=at.no_cache)
    deliver(show_report(subject, conditions, priced), output)
    return ExitStatus.OK
