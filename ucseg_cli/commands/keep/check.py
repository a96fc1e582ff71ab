"""The command ``ucseg check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ucseg_cli.cli.options import (
    JUDGE,
    DeployOption,
    ExitZeroOption,
    ManyInputs,
    ManyModels,
    since_option,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from ucseg_cli.errors import UcsegError
    from ucseg_cli.facts.point import Point


def complete_limit(incomplete: str) -> list[str]:
    """Shell completion of a limit's metric."""
    from ucseg_cli.analysis.counting.metrics import METRICS

    return [f"{metric}=" for metric in METRICS if metric.startswith(incomplete)]


MaxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--max",
        "-m",
        metavar="METRIC=N",
        help="A limit, as in params=650k or fvcore=800M; repeatable.",
        autocompletion=complete_limit,
        rich_help_panel=JUDGE,
    ),
]
LockedOption = Annotated[
    bool,
    typer.Option(
        "--locked",
        help="Also compare models with the lock; any difference fails.",
        rich_help_panel=JUDGE,
    ),
]


SinceOption = Annotated[
    str | None, since_option("Judge vs-baseline budgets against the same model at a revision.")
]


def check(
    *,
    of: ManyModels,
    since: SinceOption = None,
    at: ManyInputs,
    deploy: DeployOption = False,
    maximum: MaxOption = None,
    locked: LockedOption = False,
    exit_zero: ExitZeroOption = False,
    output: Output,
) -> int:
    """Check models against their budgets.

    Budgets of the configuration, limits given here and, with --locked, the lock. Naming models
    chooses among the budgets. Exits with 1 if a limit is exceeded or a locked model has changed.

    Examples:
      ucseg check
      ucseg check --locked --since main
      ucseg check v2 --size 512 --max params=650k --max fvcore=800M
    """
    from ucseg_cli.analysis.rules.budget_checks import judge, parse_limit, points_needed
    from ucseg_cli.report.answers.keep.check import check_report
    from ucseg_cli.workflow.budget_baseline import baseline_of
    from ucseg_cli.workflow.load_project import chosen_budgets
    from ucseg_cli.workflow.measure import measure_points

    if locked:
        _refuse_unlocked_conditions(at, deploy=deploy)
    settings = at.project(needed=True)
    models, inputs, cache = of.named(settings), at.conditions(settings), at.open_cache()
    limits = [parse_limit(text, [model]) for model in of.find(settings) for text in maximum or ()]
    needed = not limits and not locked
    budgets = [*chosen_budgets(settings, models, needed=needed), *limits]
    baseline = baseline_of(budgets, settings, since)
    points = points_needed(budgets, inputs, baseline)
    failures: dict[Point, UcsegError] = {}
    subjects = measure_points(
        points, settings, cache=cache, deploy=deploy, run=False, failures=failures
    )
    checks = judge(budgets, inputs, subjects, baseline, failures)
    lock = None
    if locked:
        from ucseg_cli.workflow.check_lock import check_lock  # budgets alone do not need it

        lock = check_lock(settings, models, cache=cache)
    judged = [*(point.conditions for point in points), *(lock.conditions if lock else ())]
    report = check_report(checks, list(dict.fromkeys(judged)), lock)
    output.deliver(report, subjects.values())
    if any(check.failure for check in checks):
        return ExitStatus.NO_VERDICT
    passed = all(check.passed for check in checks) and not (lock and lock.drifts)
    return ExitStatus.OK if passed or exit_zero else ExitStatus.GATE_FAILED


def _refuse_unlocked_conditions(at: ManyInputs, *, deploy: bool) -> None:
    """Raise UsageError for conditions that a lock does not have."""
    fix = "use one of them"
    if deploy:
        what = "a lock is of models as they are trained"
        raise UsageError(what, where="--locked --deploy", help=fix)
    if at.batch != 1:
        what = "a lock is of single images"
        raise UsageError(what, where=f"--locked --batch {at.batch}", help=fix)
    if at.input:
        what = "a lock has inputs of its own"
        raise UsageError(what, where=f"--locked --input {at.input[:40]}", help=fix)
