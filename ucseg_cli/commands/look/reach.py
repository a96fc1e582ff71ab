"""The command ``ucseg reach``."""

from __future__ import annotations

from ucseg_cli.cli.options import ManyInputs, OneModel
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def reach(*, of: OneModel, at: ManyInputs, output: Output) -> int:
    """Show what dilated convs read.

    How much of each reads data rather than padding, which taps never do, what they cost, and from which size they do.
    """
    from ucseg_cli.report.answers.look.reach import reach_report
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure_each

    settings = project()
    measured = measure_each(
        [of.name(settings)], at.conditions(settings), settings, cache=at.open_cache()
    )
    report = reach_report(measured[0][0].name, measured)
    output.deliver(report, [subject for subject, _ in measured])
    return ExitStatus.OK
