"""The command ``ucseg history``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import (
    MODEL,
    OUTPUT,
    ConventionOption,
    OneInput,
    OneModel,
    complete_metric,
    since_option,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

MOST_COMMITS = 100


SinceOption = Annotated[str | None, since_option("Only commits from this revision on.")]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="A metric to follow, else params and FLOPs; repeatable.",
        autocompletion=complete_metric,
        rich_help_panel=OUTPUT,
    ),
]
MaxCountOption = Annotated[
    int,
    typer.Option(
        "--max-count",
        metavar="N",
        min=1,
        help=f"Look at N commits at most, {MOST_COMMITS} unless given.",
        rich_help_panel=MODEL,
    ),
]


def history(
    *,
    of: OneModel,
    since: SinceOption = None,
    max_count: MaxCountOption = MOST_COMMITS,
    at: OneInput,
    metric: MetricOption = None,
    convention: ConventionOption = None,
    output: Output,
) -> int:
    """Show the commits at which a model's metrics changed.

    Newest first, along the first parents from HEAD or from the revision that the model is named
    at. A commit at which it cannot be built is a row with the reason. Commits that differ in
    nothing that the model depends on are recorded once.

    Examples:
      ucseg history net.py:Net
      ucseg history net.py:Net+width=48 --since v1.0 --metric peak-memory
    """
    from ucseg_cli.analysis.counting.metrics import find_metric
    from ucseg_cli.report.answers.choose.history import history_report
    from ucseg_cli.workflow.trace_history import trace_history

    settings = at.project()
    named = [find_metric(name, f"--metric {name}").name for name in metric or ()]
    metrics = list(dict.fromkeys(named)) or ["params", convention or settings.convention]
    conditions, cache = at.conditions(settings), at.open_cache()
    name = of.find(settings).name
    found = trace_history(name, conditions, settings, since=since, most=max_count, cache=cache)
    output.deliver(history_report(found, metrics, conditions), prices=settings.prices)
    return ExitStatus.OK
