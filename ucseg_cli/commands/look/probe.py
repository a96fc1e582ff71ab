"""The command ``ucseg probe``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import MEASURE, ManyInputs, ManyModels, TopOption
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

TapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tap",
        "-t",
        metavar="PATTERN",
        help="Modules by path, where * is any name and ** any number of them; repeatable.",
        rich_help_panel=MEASURE,
    ),
]


def probe(
    *, of: ManyModels, at: ManyInputs, tap: TapOption = None, top: TopOption = None, output: Output
) -> int:
    """Probe the shapes of taps.

    Channels, height, width, stride and receptive field, of several models and sizes side by side.
    Without --tap: a variant's three feature maps, or the top-level modules of another model.

    Examples:
      ucseg probe v1 v2 --size 512
      ucseg probe torchvision:resnet50 --tap 'layer*'
    """
    from ucseg_cli.analysis.geometry.tap_shapes import choose_taps
    from ucseg_cli.report.answers.look.probe import probe_report
    from ucseg_cli.report.parts.probed import Probed
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    models, inputs = of.find(settings), at.conditions(settings)
    subjects = measure(models, inputs, settings, cache=at.open_cache())
    chosen = choose_taps(subjects, tap) if tap else [None] * len(subjects)
    asked = zip(inputs * len(models), subjects, strict=True)
    at_inputs = [conditions.as_run(subject.trace) for conditions, subject in asked]
    probed = list(map(Probed, subjects, at_inputs, chosen))
    output.deliver(probe_report(probed, top=top), subjects)
    return ExitStatus.OK
