"""The command ``ucseg check``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.commands.options import (
    DEFAULT_SIZE,
    BatchOption,
    ExitZeroOption,
    NoCacheOption,
    Output,
    SizesOption,
    VariantOption,
    chosen_conditions,
    complete_reference,
)
from ucseg_cli.errors import ExitStatus, UsageError


def check(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Variants to judge.", autocompletion=complete_reference),
    ] = None,
    *,
    variant: VariantOption = None,
    maximum: Annotated[
        list[str] | None,
        typer.Option("--max", "-m", metavar="METRIC=N", help="A limit, as in params=650k or fvcore=800M; repeatable."),
    ] = None,
    size: SizesOption = [DEFAULT_SIZE],  # noqa: B006 - typer copies it
    batch: BatchOption = 1,
    exit_zero: ExitZeroOption = False,
    no_cache: NoCacheOption = False,
    output: Output,
) -> int:
    """Hold models to limits.

    Exits with 1 when one is exceeded.
    """
    from ucseg_cli.analysis.budget import Measured, judge, parse_limit
    from ucseg_cli.analysis.totals import totals
    from ucseg_cli.commands.deliver import deliver
    from ucseg_cli.commands.measure import measure_each
    from ucseg_cli.report.check import check_report
    from ucseg_cli.variants import DEFAULT

    if not maximum:
        raise UsageError("there is nothing to check", where="check", help="give a limit, as in --max params=650k")
    limits = [parse_limit(text) for text in maximum]
    names = [*(models or []), *([variant] if variant else [])] or [DEFAULT]
    conditions = [chosen_conditions(each, batch) for each in dict.fromkeys(size)]
    measured = [
        Measured(subject.name, str(each.size), totals(subject.trace))
        for subject, each in measure_each(names, conditions, no_cache=no_cache)
    ]
    checks = judge(measured, limits)
    deliver(check_report(checks, conditions), output)
    held = exit_zero or all(each.passed for each in checks)
    return ExitStatus.OK if held else ExitStatus.GATE_FAILED
