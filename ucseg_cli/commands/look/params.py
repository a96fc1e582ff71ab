"""The command ``ucseg params``."""

from __future__ import annotations

from ucseg_cli.cli.options import DeployOption, OneInput, OneModel, Rows
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def params(
    *, of: OneModel, at: OneInput, rows: Rows, deploy: DeployOption = False, output: Output
) -> int:
    """Count parameters by module.

    Total, trainable, frozen, buffers, bytes and share; what is shared counts once.
    """
    from ucseg_cli.report.answers.look.params import params_report, state_dict_report
    from ucseg_cli.workflow.find_checkpoint import find_state_dict
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure

    settings = project()
    conditions, arrangement = at.conditions(settings), rows.arrangement
    if (state := find_state_dict(of.name(settings), settings, deploy=deploy)) is not None:
        output.deliver(state_dict_report(of.name(settings), state, arrangement))
        return ExitStatus.OK
    (subject,) = measure(
        [of.name(settings)], conditions, settings, cache=at.open_cache(), deploy=deploy, run=False
    )
    report = params_report(subject, conditions, arrangement)
    output.deliver(report, [subject])
    return ExitStatus.OK
