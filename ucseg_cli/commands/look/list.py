"""The command ``ucseg list``."""

from __future__ import annotations

from itertools import starmap
from typing import Annotated

from ucseg_cli.cli.options import OneInput, reference_argument
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus
from ucseg_cli.references import FromCheckpoint, OwnCode

SourceArgument = Annotated[
    str | None,
    reference_argument(
        "[SOURCE]", "A file, a module, a library, or a model, whose axes are then shown."
    ),
]


def list(  # noqa: A001 - the command's name
    source: SourceArgument = None, *, at: OneInput, output: Output
) -> int:
    """List the named variants, the models of a file or a library, or the axes of one model.

    Without SOURCE a line for each named variant: how it differs from the baseline, its parameters
    and its MACs. The axes of a model are the arguments of its constructor.

    Examples:
      ucseg list
      ucseg list net.py:Net
      ucseg list 'timm:*vit*'
    """
    if source is not None:
        return _list_designs(source, at, output)
    from ucseg_cli.errors import UcsegError
    from ucseg_cli.facts.conditions import Point
    from ucseg_cli.references import Reference
    from ucseg_cli.report.answers.look.list import list_report
    from ucseg_cli.workflow.measure import measure_points

    settings = at.project()
    conditions, named = at.conditions(settings), starmap(Reference, settings.variants.items())
    points, failures = [Point(model, conditions) for model in named], dict[Point, UcsegError]()
    found = measure_points(points, settings, cache=at.open_cache(), run=False, failures=failures)
    why = {point.reference.name: error.what for point, error in failures.items()}
    output.deliver(list_report([*found.values()], conditions, settings, why))
    return ExitStatus.OK


def _list_designs(text: str, at: OneInput, output: Output) -> int:
    from ucseg_cli.errors import UsageError
    from ucseg_cli.report.answers.look.listed.list_networks import networks_report
    from ucseg_cli.report.answers.look.listed.list_source import axes_report, designs_report
    from ucseg_cli.workflow.list_designs import find_networks, find_source, list_designs

    settings = at.project()
    if text not in settings.variants and (networks := find_networks(text)) is not None:
        output.deliver(networks_report(text, *networks))
        return ExitStatus.OK
    source = find_source(text, settings)
    designs = list_designs(source, settings)
    if isinstance(source, FromCheckpoint):
        fix = f"`ucseg params {text}` shows what is in it"
        raise UsageError(f"{text} is a checkpoint, which has no axes", where=text, help=fix)
    whole = isinstance(source, OwnCode) and not source.name
    output.deliver(designs_report(text, designs) if whole else axes_report(text, designs[0]))
    return ExitStatus.OK
