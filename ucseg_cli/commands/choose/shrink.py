"""The command ``ucseg shrink``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import MEASURE, OUTPUT, OneInput, OneModel, TopOption, complete_metric
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

SortOption = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="METRIC",
        help="The metric by whose saving steps are sorted, FLOPs unless given.",
        autocompletion=complete_metric,
        rich_help_panel=OUTPUT,
    ),
]
LayersOption = Annotated[
    bool,
    typer.Option(
        "--layers",
        help="Narrow each conv and linear layer, rather than step along the axes of the design.",
        rich_help_panel=MEASURE,
    ),
]


def shrink(
    *,
    of: OneModel,
    at: OneInput,
    layers: LayersOption = False,
    sort: SortOption = None,
    top: TopOption = None,
    output: Output,
) -> int:
    """Find which part to make smaller first.

    One step down along each axis of the design: what it saves of every metric, and what it costs in
    receptive field, stride and live kernel positions. For a model without such axes, or with
    --layers, a quarter fewer channels in each layer, with all that depends on them.

    Examples:
      ucseg shrink v2 --size 512
      ucseg shrink net.py:Net --sort peak-memory
      ucseg shrink torchvision:resnet18 --layers --top 5
    """
    from ucseg_cli.analysis.counting.metrics import find_metric
    from ucseg_cli.report.answers.choose.shrink import shrink_report
    from ucseg_cli.workflow.measure import measure
    from ucseg_cli.workflow.space.shrink_steps import shrink

    settings = at.project()
    metric = find_metric(sort or settings.convention, f"--sort {sort}").name
    conditions, cache = at.conditions(settings), at.open_cache()
    (subject,) = measure([of.find(settings)], [conditions], settings, cache=cache)
    conditions = conditions.as_run(subject.trace)
    found = shrink(subject, conditions, settings, metric, layers=layers, cache=cache)
    output.deliver(shrink_report(found, conditions, top=top), [subject])
    return ExitStatus.OK
