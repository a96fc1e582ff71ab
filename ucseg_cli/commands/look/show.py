"""The command ``ucseg show``."""

from __future__ import annotations

from ucseg_cli.cli.options import ConventionOption, DeployOption, OneInput, OneModel
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def show(
    *,
    of: OneModel,
    at: OneInput,
    convention: ConventionOption = None,
    deploy: DeployOption = False,
    output: Output,
) -> int:
    """Show one model on one screen.

    Totals, axes, taps and the heaviest modules.
    """
    from ucseg_cli.analysis.counting.conventions import find_convention
    from ucseg_cli.report.answers.look.show import show_report
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure

    settings = project()
    conditions, priced = at.conditions(settings), find_convention(convention or settings.convention)
    (subject,) = measure(
        [of.name(settings)], conditions, settings, cache=at.open_cache(), deploy=deploy, run=False
    )
    report = show_report(subject, conditions, priced, settings)
    output.deliver(report, [subject])
    return ExitStatus.OK
