"""The command ``ucseg flops``."""

from __future__ import annotations

from ucseg_cli.console.options import ConventionOption, OneInput, OneModel, Output, Rows
from ucseg_cli.errors import ExitStatus


def flops(*, of: OneModel, at: OneInput, convention: ConventionOption = "fvcore", rows: Rows, output: Output) -> int:
    """Count operations by module and operator.

    Under a convention, with what the convention leaves out.
    """
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.report.flops import flops_report

    conditions, priced, arrangement = at.conditions, find_convention(convention), rows.arrangement
    (subject,) = measure([of.name], conditions, no_cache=at.no_cache)
    deliver(flops_report(subject, conditions, priced, arrangement), output)
    return ExitStatus.OK
