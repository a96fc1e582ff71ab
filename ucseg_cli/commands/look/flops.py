"""The command ``ucseg flops``."""

from __future__ import annotations

from ucseg_cli.cli.options import (
    ConventionOption,
    DeployOption,
    OneInput,
    OneModel,
    ReconcileOption,
    Rows,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def flops(
    *,
    of: OneModel,
    at: OneInput,
    convention: ConventionOption = None,
    deploy: DeployOption = False,
    reconcile: ReconcileOption = False,
    rows: Rows,
    output: Output,
) -> int:
    """Count operations by module and operator.

    Under a convention, with what the convention leaves out.

    Examples:
      ucseg flops v2 --size 512
      ucseg flops torchvision:resnet50 --depth 1 --convention macs
      ucseg flops v2 --reconcile
    """
    from ucseg_cli.analysis.counting.conventions import CONVENTIONS
    from ucseg_cli.report.answers.look.flops import flops_report
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    conditions, cache = at.conditions(settings), at.open_cache()
    (subject,) = measure([of.find(settings)], [conditions], settings, cache=cache, deploy=deploy)
    priced = CONVENTIONS[convention or settings.convention]
    conditions = conditions.as_run(subject.trace)
    report = flops_report(subject, conditions, priced, rows.arrangement, reconciled=reconcile)
    output.deliver(report, [subject])
    return ExitStatus.OK
