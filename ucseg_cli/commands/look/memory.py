"""The command ``ucseg memory``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import OneInput, OneModel, TopOption, at_least, complete_from, one_of
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus
from ucseg_cli.facts.conditions import DTYPE, DTYPES

DtypeOption = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="NAME",
        help=f"Element type of weights and activations: {', '.join(DTYPES)}.",
        autocompletion=complete_from(DTYPES),
    ),
]


def memory(
    *, of: OneModel, at: OneInput, dtype: DtypeOption = DTYPE, top: TopOption = None, output: Output
) -> int:
    """Find the peak of activations.

    Where it is, what is alive there, and what is held longer than it is used.
    """
    from ucseg_cli.report.answers.look.memory import memory_report
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure

    settings = project()
    conditions, element = at.conditions(settings), one_of("dtype", dtype, DTYPES, "--dtype")
    rows = None if top is None else at_least(top, 1, "--top")
    (subject,) = measure([of.name(settings)], conditions, settings, cache=at.open_cache())
    output.deliver(memory_report(subject, conditions, element, top=rows), [subject])
    return ExitStatus.OK
