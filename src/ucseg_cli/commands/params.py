"""The command ``ucseg params``."""

from __future__ import annotations

from ucseg_cli.console.options import OneInput, OneModel, Output, Rows
from ucseg_cli.errors import ExitStatus


def params(*, of: OneModel, at: OneInput, rows: Rows, output: Output) -> int:
    """Count parameters by module.

    Total, trainable, frozen, buffers, bytes and share; what is shared counts once.
    """
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.report.params import params_report

    conditions, arrangement = at.conditions, rows.arrangement
    (subject,) = measure([of.name], conditions, no_cache=at.no_cache)
    deliver(params_report(subject, conditions, arrangement), output)
    return ExitStatus.OK
