"""The command ``ucseg compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.completion.complete_reference import complete_reference
from ucseg_cli.cli.options import (
    ConventionOption,
    DeployOption,
    DepthOption,
    OneInput,
    TopOption,
    at_least,
    complete_from,
    one_of,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

ORDERS = ("change", "path")

BaseArgument = Annotated[
    str, typer.Argument(metavar="BASE", help="The baseline.", autocompletion=complete_reference)
]
ModelsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help="What to hold against it; without any, BASE is held against the configured baseline.",
        autocompletion=complete_reference,
    ),
]
OrderOption = Annotated[
    str,
    typer.Option(
        "--sort",
        metavar="ORDER",
        help="change (largest first) or path.",
        autocompletion=complete_from(ORDERS),
    ),
]


def compare(
    base: BaseArgument,
    models: ModelsArgument = None,
    *,
    at: OneInput,
    convention: ConventionOption = None,
    depth: DepthOption = 2,
    sort: OrderOption = "change",
    top: TopOption = None,
    deploy: DeployOption = False,
    output: Output,
) -> int:
    """Compare models with a baseline.

    Totals, axes, modules and taps, and of two variants what each changed axis does; unchanged rows are hidden but
    counted. Ends in one sentence.
    """
    from ucseg_cli.analysis.comparing.comparison import compare as compare_subjects
    from ucseg_cli.analysis.counting.conventions import find_convention
    from ucseg_cli.report.answers.choose.compare import compare_report
    from ucseg_cli.workflow.attribute_axes import attribute_all
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure

    settings = project()
    conditions, priced, order = (
        at.conditions(settings),
        find_convention(convention or settings.convention),
        one_of("order", sort, ORDERS, "--sort"),
    )
    levels, most = at_least(depth, 1, "--depth"), None if top is None else at_least(top, 1, "--top")
    cache = at.open_cache()
    names = [base, *models] if models else [settings.baseline, base]
    subjects = measure(names, conditions, settings, cache=cache, deploy=deploy, run=False)
    candidates = subjects[1:] or subjects  # a model compared with itself is measured once
    comparisons = [
        compare_subjects(subjects[0], candidate, depth=levels) for candidate in candidates
    ]
    why = attribute_all(comparisons[0], conditions, cache=cache) if len(comparisons) == 1 else []
    report = compare_report(comparisons, conditions, priced, sort=order, top=most, attributions=why)
    output.deliver(report, subjects)
    return ExitStatus.OK
