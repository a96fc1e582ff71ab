"""The command ``ucseg compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.commands.options import (
    DEFAULT_SIZE,
    BatchOption,
    ConventionOption,
    DepthOption,
    NoCacheOption,
    Output,
    SizeOption,
    TopOption,
    at_least,
    chosen_conditions,
    chosen_depth,
    complete_from,
    complete_reference,
    one_of,
)
from ucseg_cli.errors import ExitStatus

ORDERS = ("change", "path")


def compare(
    base: Annotated[str, typer.Argument(metavar="BASE", help="The baseline.", autocompletion=complete_reference)],
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="What to hold against it.", autocompletion=complete_reference),
    ],
    *,
    size: SizeOption = DEFAULT_SIZE,
    batch: BatchOption = 1,
    convention: ConventionOption = "fvcore",
    depth: DepthOption = 2,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", metavar="ORDER", help="change (largest first) or path.", autocompletion=complete_from(ORDERS)
        ),
    ] = "change",
    top: TopOption = None,
    no_cache: NoCacheOption = False,
    output: Output,
) -> int:
    """Compare models with a baseline.

    Totals, axes, modules and taps; unchanged rows are hidden but counted. Ends in one sentence.
    """
    from ucseg_cli.analysis import compare as comparing
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.commands.deliver import deliver
    from ucseg_cli.commands.measure import measure
    from ucseg_cli.report.compare import compare_report

    conditions, priced, order = (
        chosen_conditions(size, batch),
        find_convention(convention),
        one_of(sort, ORDERS, "--sort"),
    )
    levels, most = chosen_depth(depth), at_least(top, 1, "--top")
    subjects = {subject.name: subject for subject in measure([base, *models], conditions, no_cache=no_cache)}
    comparisons = [
        comparing.compare(subjects[base.strip()], subjects[name], depth=levels)
        for name in dict.fromkeys(map(str.strip, models))
    ]
    deliver(compare_report(comparisons, conditions, priced, sort=order, top=most), output)
    return ExitStatus.OK
