"""The command ``ucseg params``."""

from __future__ import annotations

from ucseg_cli.console.options import DeployOption, OneInput, OneModel, Rows
from ucseg_cli.console.output import Output
from ucseg_cli.errors import ExitStatus


def params(*, of: OneModel, at: OneInput, rows: Rows, deploy: DeployOption = False, output: Output) -> int:
    """Count parameters by module.

    Total, trainable, frozen, buffers, bytes and share; what is shared counts once.
    """
    from ucseg_cli.console.checkpoints import find_state_dict
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.console.project import project
    from ucseg_cli.report.deploy import after_folding
    from ucseg_cli.report.params import params_report, state_dict_report
    from ucseg_cli.report.recorded import as_recorded

    settings = project()
    conditions, arrangement = at.conditions(settings), rows.arrangement
    if (state := find_state_dict(of.name(settings), settings, deploy=deploy)) is not None:
        deliver(state_dict_report(of.name(settings), state, arrangement), output)
        return ExitStatus.OK
    (subject,) = measure([of.name(settings)], conditions, settings, cache=at.open_cache(), deploy=deploy, run=False)
    report = params_report(subject, conditions, arrangement)
    deliver(as_recorded(after_folding(report, [subject]), [subject]), output)
    return ExitStatus.OK
