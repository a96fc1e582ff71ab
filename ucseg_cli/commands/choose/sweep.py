"""The command ``ucseg sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ucseg_cli.cli.file_type import FileName
from ucseg_cli.cli.number_type import POSITIVE
from ucseg_cli.cli.options import (
    JUDGE,
    MODEL,
    OUTPUT,
    ExitZeroOption,
    OneInput,
    OneModel,
    TopOption,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.cli.training_options import StepOptions
from ucseg_cli.errors import ExitStatus


def complete_any_metric(incomplete: str) -> list[str]:
    """Shell completion of the name of a cost or a benefit."""
    from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
    from ucseg_cli.analysis.space.benefits import BENEFITS

    return [name for name in (*EVERY_METRIC, *BENEFITS) if name.startswith(incomplete)]


def complete_limited_metric(incomplete: str) -> list[str]:
    """The same with the sign that follows it in a limit."""
    return [f"{name}=" for name in complete_any_metric(incomplete)]


def complete_varied_axis(context: typer.Context, incomplete: str) -> list[str]:
    """Shell completion of an axis and its values."""
    from ucseg_cli.cli.completion.complete_reference import complete_vary

    # while the option lacks a value, Typer leaves the words before it where they are
    return complete_vary(incomplete, [*context.args, context.params.get("model") or ""])


VaryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        metavar="AXIS=VALUES",
        help="9..11, 32..96/16, regular,separable, 6,12|6,12,18 or * for every choice; repeatable.",
        autocompletion=complete_varied_axis,
        rich_help_panel=MODEL,
    ),
]
YesOption = Annotated[
    bool,
    typer.Option("--yes", help="Sweep any number of variants.", rich_help_panel=MODEL),
]
MaxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--max",
        "-m",
        metavar="METRIC=N[@INPUT]",
        help="A limit, as in params=600k or fvcore=500M@512; repeatable.",
        autocompletion=complete_limited_metric,
        rich_help_panel=JUDGE,
    ),
]
MinOption = Annotated[
    list[str] | None,
    typer.Option(
        "--min",
        metavar="METRIC=N[@INPUT]",
        help="The least that is enough, as in receptive-field=400; repeatable.",
        autocompletion=complete_limited_metric,
        rich_help_panel=JUDGE,
    ),
]
BudgetsOption = Annotated[
    bool,
    typer.Option("--budgets", help="Also the budgets of MODEL as limits.", rich_help_panel=JUDGE),
]
MinimizeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--minimize",
        metavar="METRIC",
        help="An objective of the front, else params, FLOPs and peak-memory; repeatable.",
        autocompletion=complete_any_metric,
        rich_help_panel=JUDGE,
    ),
]
MaximizeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--maximize",
        metavar="METRIC",
        help="An objective of which more is better, as receptive-field or a score; repeatable.",
        autocompletion=complete_any_metric,
        rich_help_panel=JUDGE,
    ),
]
ScoresOption = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        metavar="FILE.csv",
        click_type=FileName("runs.csv"),
        help="Measured figures: a column of references, others with numbers.",
        rich_help_panel=JUDGE,
    ),
]
ScoreOption = Annotated[
    str | None,
    typer.Option(
        "--score",
        metavar="FORMULA",
        help="Rank by a formula, as in 'miou - 0.02*log2(params)'.",
        rich_help_panel=JUDGE,
    ),
]
NearestOption = Annotated[
    bool,
    typer.Option(
        "--nearest",
        help="Also the variants within all limits that change the fewest axes of MODEL.",
        rich_help_panel=JUDGE,
    ),
]
LatencyOption = Annotated[
    int | None,
    typer.Option(
        "--latency",
        metavar="N",
        click_type=POSITIVE,
        help="Also measure the time of the N best of the front.",
        rich_help_panel=OUTPUT,
    ),
]
VerifyOption = Annotated[
    int | None,
    typer.Option(
        "--verify",
        metavar="N",
        click_type=POSITIVE,
        help="Record N variants at random one by one, and compare.",
        rich_help_panel=OUTPUT,
    ),
]


def sweep(
    *,
    of: OneModel,
    vary: VaryOption = None,
    yes: YesOption = False,
    at: OneInput,
    maximum: MaxOption = None,
    minimum: MinOption = None,
    budgets: BudgetsOption = False,
    minimize: MinimizeOption = None,
    maximize: MaximizeOption = None,
    scores: ScoresOption = None,
    score: ScoreOption = None,
    nearest: NearestOption = False,
    step: StepOptions,
    exit_zero: ExitZeroOption = False,
    top: TopOption = None,
    verify: VerifyOption = None,
    latency: LatencyOption = None,
    output: Output,
) -> int:
    """Show every variant of a space, exactly: limits, front, nearest.

    MODEL is any model whose axes are varied, or a space of the configuration. The front has the
    variants that no other one beats in every objective. Exits with 1 if there are limits and no
    variant is within all of them.

    Examples:
      ucseg sweep v2 --vary backbone=9..11 --vary 'conv=*' --vary aspp_channels=32..96/16
      ucseg sweep net.py:Net --vary width=16..64/8 --max params=600k --nearest
      ucseg sweep v2 --vary backbone=9..11 --scores runs.csv --score 'miou - params/1e7'
    """
    from ucseg_cli.report.answers.choose.sweep import sweep_report
    from ucseg_cli.workflow.space.read_wishes import Wishes
    from ucseg_cli.workflow.space.sweep_space import Sweep, sweep_space

    settings = at.project()
    conditions, cache = at.conditions(settings), at.open_cache()
    wishes = Wishes(
        *(maximum or (), minimum or (), minimize or (), maximize or ()),
        score,
        nearest,
        step.training if step.given else None,
    )
    wanted = Sweep(vary or (), wishes, budgets, scores, verify or 0, yes)
    answer = sweep_space(of.name, wanted, conditions, settings, cache=cache)
    if latency:
        from ucseg_cli.workflow.timing.time_front import time_front

        answer = answer._replace(timed=time_front(answer, latency, settings, cache=cache))
    output.deliver(sweep_report(answer, top=top), prices=settings.prices)
    if answer.tallies and not answer.fitting and not exit_zero:
        return ExitStatus.GATE_FAILED
    return answer.timed.exit_status if answer.timed else ExitStatus.OK
