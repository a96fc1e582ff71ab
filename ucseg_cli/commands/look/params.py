"""The command ``ucseg params``."""

from __future__ import annotations

from ucseg_cli.cli.options import DeployOption, OneInput, OneModel, Rows
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def params(
    *, of: OneModel, at: OneInput, deploy: DeployOption = False, rows: Rows, output: Output
) -> int:
    """Count parameters by module.

    Total, trainable, frozen, buffers, bytes and share; shared parameters count once.

    Examples:
      ucseg params v2 --depth 3
      ucseg params net.py:Net --sort count --top 10
      ucseg params weights.safetensors
    """
    from ucseg_cli.report.answers.look.params import params_report, state_dict_report
    from ucseg_cli.workflow.find_checkpoint import find_state_dict
    from ucseg_cli.workflow.measure import PATIENCE, measure

    settings = at.project()
    conditions, cache, model = at.conditions(settings), at.open_cache(), of.find(settings)
    if (state := find_state_dict(model, deploy=deploy)) is not None:
        output.deliver(state_dict_report(model.name, state, rows.arrangement))
        return ExitStatus.OK
    subjects = measure(
        [model],
        [conditions],
        settings,
        cache=cache,
        deploy=deploy,
        run=False,
        patience=None if deploy else PATIENCE,
    )
    conditions = conditions.as_run(subjects[0].trace)
    output.deliver(params_report(subjects[0], conditions, rows.arrangement), subjects)
    return ExitStatus.OK
