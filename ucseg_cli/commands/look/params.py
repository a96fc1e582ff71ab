"""The command ``ucseg params``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import (
    MEASURE,
    DeployOption,
    OneInput,
    OneModel,
    Rows,
    complete_reference,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus, UsageError

SparsityOption = Annotated[
    bool,
    typer.Option(
        "--sparsity",
        help="The zeros in a checkpoint, and how its entries are stored.",
        rich_help_panel=MEASURE,
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="With --sparsity: the network that loads it, and which zero channels it needs.",
        autocompletion=complete_reference,
        rich_help_panel=MEASURE,
    ),
]


def params(
    *,
    of: OneModel,
    at: OneInput,
    deploy: DeployOption = False,
    sparsity: SparsityOption = False,
    network: NetworkOption = None,
    rows: Rows,
    output: Output,
) -> int:
    """Count parameters by module.

    Total, trainable, frozen, buffers, bytes and share; shared parameters count once. With
    --sparsity the zeros of a checkpoint, and the MACs that go with its zero channels.

    Examples:
      ucseg params v2 --depth 3
      ucseg params net.py:Net --sort count --top 10
      ucseg params weights.pt --sparsity --model net.py:Net
    """
    from ucseg_cli.report.answers.look.params import params_report, state_dict_report
    from ucseg_cli.workflow.checkpoints.find_checkpoint import find_state_dict
    from ucseg_cli.workflow.measure import PATIENCE, measure

    settings = at.project()
    conditions, cache, model = at.conditions(settings), at.open_cache(), of.find(settings)
    if sparsity:
        from ucseg_cli.report.answers.look.sparsity import sparsity_report
        from ucseg_cli.workflow.checkpoints.measure_zeros import measure_zeros

        loads = None if network is None else settings.find(network)
        zeros = measure_zeros(model, loads, conditions, settings, cache, deploy=deploy)
        subjects = [] if zeros.network is None else [zeros.network]
        for subject in subjects:
            conditions = conditions.as_run(subject.trace)
        output.deliver(sparsity_report(zeros, conditions, rows.arrangement), subjects)
        return ExitStatus.OK
    if network is not None:
        what = "--model changes nothing without --sparsity"
        raise UsageError(what, where=f"--model {network}", help="add --sparsity, or leave it out")
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
