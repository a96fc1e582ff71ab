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

    Axes, totals, output and tap shapes, and the heaviest modules.

    Examples:
      ucseg show v2
      ucseg show net.py:Net+width=32 --size 384x640
    """
    from ucseg_cli.analysis.counting.conventions import CONVENTIONS
    from ucseg_cli.report.answers.look.show import show_report
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    conditions, cache, model = at.conditions(settings), at.open_cache(), of.find(settings)
    subjects = measure([model], [conditions], settings, cache=cache, deploy=deploy, run=False)
    priced = CONVENTIONS[convention or settings.convention]
    conditions = conditions.as_run(subjects[0].trace)
    output.deliver(show_report(subjects[0], conditions, priced, settings), subjects)
    return ExitStatus.OK
