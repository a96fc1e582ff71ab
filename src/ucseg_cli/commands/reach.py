"""The command ``ucseg reach``."""

from __future__ import annotations

from ucseg_cli.console.options import ManyInputs, OneModel
from ucseg_cli.console.output import Output
from ucseg_cli.errors import ExitStatus


def reach(*, of: OneModel, at: ManyInputs, output: Output) -> int:
    """Show what dilated convs read.

    How much of each reads data rather than padding, which taps never do, what they cost, and from which size they do.
    """
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure_each
    from ucseg_cli.console.project import project
    from ucseg_cli.report.reach import reach_report
    from ucseg_cli.report.recorded import as_recorded

    settings = project()
    measured = measure_each([of.name(settings)], at.conditions(settings), settings, cache=at.open_cache())
    report = reach_report(measured[0][0].name, measured)
    deliver(as_recorded(report, [subject for subject, _ in measured]), output)
    return ExitStatus.OK
