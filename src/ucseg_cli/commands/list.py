"""The command ``ucseg list``."""

from __future__ import annotations

from ucseg_cli.console.options import OneInput
from ucseg_cli.console.output import Output
from ucseg_cli.errors import ExitStatus


def list_variants(*, at: OneInput, output: Output) -> int:
    """Name the known variants, a line each.

    For each what differs from the baseline, its parameters and its MACs.
    """
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.console.project import project
    from ucseg_cli.report.list import list_report

    settings = project()
    conditions = at.conditions(settings)
    deliver(
        list_report(measure(settings.variants, conditions, settings, cache=at.open_cache()), conditions, settings),
        output,
    )
    return ExitStatus.OK
