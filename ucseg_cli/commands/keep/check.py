"""The command ``ucseg check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ucseg_cli.cli.options import DeployOption, ExitZeroOption, ManyInputs, ManyModels
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from ucseg_cli.analysis.comparing.lock_changes import LockState
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.gate.cache import Cache


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
    ),
]


LockedOption = Annotated[
    bool,
    typer.Option("--locked", help="Also hold models to the lock: fail on anything that differs."),
]


def check(
    *,
    of: ManyModels,
    maximum: MaxOption = None,
    at: ManyInputs,
    locked: LockedOption = False,
    deploy: DeployOption = False,
    exit_zero: ExitZeroOption = False,
    output: Output,
) -> int:
    """Hold models to their budgets.

    To those of the configuration, to the limits given here, and with --locked to the lock. Models that are named here
    choose among the budgets. Exits with 1 when a limit is exceeded or a locked model has drifted.
    """
    from ucseg_cli.analysis.rules.budget_checks import judge, parse_limit, points_needed
    from ucseg_cli.facts.conditions import make_conditions
    from ucseg_cli.report.answers.keep.check import check_report
    from ucseg_cli.workflow.load_project import chosen_budgets, project
    from ucseg_cli.workflow.measure import measure_points

    if locked and deploy:
        raise UsageError(
            "a lock is of models as they are trained",
            where="--locked --deploy",
            help="use one of them",
        )
    if locked and (at.batch != 1 or at.input):
        other = f"--input {at.input}" if at.input else f"--batch {at.batch}"
        raise UsageError(
            "a lock is of single images", where=f"--locked {other}", help="use one of them"
        )
    settings = project(needed=True)
    sizes = [each.at for each in at.conditions(settings)]
    limits = [parse_limit(text, [name]) for name in of.names(settings) for text in maximum or ()]
    budgets = [*chosen_budgets(settings, of.named, needed=not limits and not locked), *limits]

    cache = at.open_cache()
    points = {
        point: make_conditions(point[1], at.batch)
        for point in points_needed(budgets, sizes, settings.baseline)
    }
    measured = measure_points(
        ((name, points[name, size]) for name, size in points),
        settings,
        cache=cache,
        deploy=deploy,
        run=False,
    )
    subjects = {
        (name, size): measured[name, conditions] for (name, size), conditions in points.items()
    }
    checks = judge(budgets, sizes, subjects, settings.baseline)
    lock = _hold_to_lock(settings, of.named, cache) if locked else None

    inputs = list(dict.fromkeys((*points.values(), *(lock.conditions if lock else ()))))
    report = check_report(checks, inputs, lock)
    output.deliver(report, subjects.values())
    held = all(each.passed for each in checks) and not (lock and lock.drifts)
    return ExitStatus.OK if held or exit_zero else ExitStatus.GATE_FAILED


def _hold_to_lock(settings: Settings, names: list[str], cache: Cache | None) -> LockState:
    from ucseg_cli.workflow.check_lock import (
        hold_to_lock,  # what judges budgets alone has no use for it
    )

    return hold_to_lock(settings, names, cache=cache)
