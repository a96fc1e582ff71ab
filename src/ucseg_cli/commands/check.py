"""The command ``ucseg check``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.console.options import DeployOption, ExitZeroOption, ManyInputs, ManyModels, Output
from ucseg_cli.errors import ExitStatus, UsageError


def complete_limit(incomplete: str) -> list[str]:
    """Shell completion of a limit's metric."""
    from ucseg_cli.analysis.totals import METRICS

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


def check(
    *,
    of: ManyModels,
    maximum: MaxOption = None,
    at: ManyInputs,
    deploy: DeployOption = False,
    exit_zero: ExitZeroOption = False,
    output: Output,
) -> int:
    """Hold models to limits.

    Exits with 1 when one is exceeded.
    """
    from ucseg_cli.analysis.budget import Measured, judge, parse_limit
    from ucseg_cli.analysis.totals import totals
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure_each
    from ucseg_cli.report.check import check_report
    from ucseg_cli.report.deploy import after_folding

    if not maximum:
        raise UsageError("there is nothing to check", where="ucseg check", help="give a limit, as in --max params=650k")
    limits, conditions = [parse_limit(text) for text in maximum], at.conditions
    measured = measure_each(of.names, conditions, cache=at.open_cache(), deploy=deploy)
    checks = judge(
        (Measured(subject.name, str(each.size), totals(subject.trace)) for subject, each in measured), limits
    )
    report = check_report(checks, conditions)
    deliver(after_folding(report, (subject for subject, _ in measured)), output)
    held = exit_zero or all(each.passed for each in checks)
    return ExitStatus.OK if held else ExitStatus.GATE_FAILED
