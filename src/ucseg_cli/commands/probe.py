"""The command ``ucseg probe``."""

from __future__ import annotations

from ucseg_cli.console.options import ManyInputs, ManyModels
from ucseg_cli.console.output import Output
from ucseg_cli.errors import ExitStatus


def probe(*, of: ManyModels, at: ManyInputs, output: Output) -> int:
    """Probe the shapes of the taps.

    Channels, height, width and stride, of several models and sizes side by side.
    """
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure_each
    from ucseg_cli.console.project import project
    from ucseg_cli.report.probe import Probed, probe_report

    settings = project()
    measured = measure_each(of.names(settings), at.conditions(settings), settings, cache=at.open_cache())
    deliver(probe_report([Probed(subject, conditions) for subject, conditions in measured]), output)
    return ExitStatus.OK
