"""The command ``ucseg draw``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.number_type import POSITIVE
from ucseg_cli.cli.options import OUTPUT, ManyModels, OneInput
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus, UsageError

BlocksOption = Annotated[
    int | None,
    typer.Option(
        "--depth",
        "-d",
        metavar="N",
        click_type=POSITIVE,
        help="Levels of modules that are boxes, as many as stay readable unless given.",
        rich_help_panel=OUTPUT,
    ),
]


def draw(*, of: ManyModels, at: OneInput, depth: BlocksOption = None, output: Output) -> int:
    """Draw a network as a diagram.

    Boxes are modules and the operators beside them, arrows are tensors with their shapes; equal
    boxes in a row are one. With two models, the second one and what changed against the first.

    Examples:
      ucseg draw v2 --export svg=v2.svg
      ucseg draw v1 v2 --format mermaid
      ucseg draw net.py:Net --depth 2 --export dot=net.dot
    """
    from ucseg_cli.analysis.comparing.comparison import compare
    from ucseg_cli.report.answers.look.draw import draw_report
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    references = of.find(settings)
    if len(references) > MOST:
        what = f"a diagram is of one model, or of two; you gave {len(references)}"
        raise UsageError(what, where="ucseg draw", help="`ucseg compare` takes several")
    conditions = at.conditions(settings)
    subjects = measure(references, [conditions], settings, cache=at.open_cache())
    conditions = conditions.as_run(subjects[-1].trace)
    against = compare(subjects[0], subjects[1], depth=99) if len(subjects) == MOST else None
    output.deliver(draw_report(subjects[-1], conditions, depth, against), subjects)
    return ExitStatus.OK


MOST = 2
"""Models: the one that is drawn, and before it the one that it is compared with."""
