"""The command ``ucseg layers``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.number_type import POSITIVE
from ucseg_cli.cli.options import OUTPUT, ConventionOption, DeployOption, OneInput, OneModel
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

AllLevelsOption = Annotated[
    int | None,
    typer.Option(
        "--depth",
        "-d",
        metavar="N",
        click_type=POSITIVE,
        help="Levels of modules below the root, all unless given.",
        rich_help_panel=OUTPUT,
    ),
]
UnfoldOption = Annotated[
    bool,
    typer.Option("--full", help="Each of several equal layers in a row.", rich_help_panel=OUTPUT),
]


def layers(
    *,
    of: OneModel,
    at: OneInput,
    convention: ConventionOption = None,
    deploy: DeployOption = False,
    depth: AllLevelsOption = None,
    full: UnfoldOption = False,
    output: Output,
) -> int:
    """List every layer in the order of running.

    In and out shape, kernel, stride, dilation, groups, parameters and operations; operators that
    run beside the modules have rows of their own, and equal blocks in a row are one.

    Examples:
      ucseg layers v2 --depth 2
      ucseg layers torchvision:resnet50 --size 256
    """
    from ucseg_cli.analysis.counting.conventions import CONVENTIONS
    from ucseg_cli.report.answers.look.layers import layers_report
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    conditions, cache = at.conditions(settings), at.open_cache()
    (subject,) = measure([of.find(settings)], [conditions], settings, cache=cache, deploy=deploy)
    conditions = conditions.as_run(subject.trace)
    priced = CONVENTIONS[convention or settings.convention]
    report = layers_report(subject, conditions, priced, depth=depth, fold=not full)
    output.deliver(report, [subject])
    return ExitStatus.OK
