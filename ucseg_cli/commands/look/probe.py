"""The command ``ucseg probe``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import ManyInputs, ManyModels, TopOption, at_least
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

TapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tap",
        "-t",
        metavar="PATTERN",
        help="Modules by path, where * is any name and ** any number of them; repeatable.",
    ),
]


def probe(
    *, of: ManyModels, at: ManyInputs, tap: TapOption = None, top: TopOption = None, output: Output
) -> int:
    """Probe the shapes of the taps.

    Channels, height, width and stride, of several models and sizes side by side. Without --tap, of a variant's three
    feature maps, and of another model's top-level modules.
    """
    from ucseg_cli.analysis.geometry.tap_shapes import choose_taps
    from ucseg_cli.report.answers.look.probe import probe_report
    from ucseg_cli.report.parts.probed import Probed
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure_each

    settings = project()
    conditions, rows = at.conditions(settings), None if top is None else at_least(top, 1, "--top")
    measured = measure_each(of.names(settings), conditions, settings, cache=at.open_cache())
    subjects = [subject for subject, _ in measured]
    chosen = choose_taps(subjects, tap) if tap else [None] * len(subjects)
    probed = [Probed(*each, taps) for each, taps in zip(measured, chosen, strict=True)]
    output.deliver(probe_report(probed, top=rows), subjects)
    return ExitStatus.OK
