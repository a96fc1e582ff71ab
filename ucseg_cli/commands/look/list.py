"""The command ``ucseg list``."""

from __future__ import annotations

from ucseg_cli.cli.options import OneInput
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def list(*, at: OneInput, output: Output) -> int:  # noqa: A001 - the command's name
    """Name the known variants, a line each.

    For each what differs from the baseline, its parameters and its MACs.
    """
    from ucseg_cli.report.answers.look.list import list_report
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure

    settings = project()
    conditions = at.conditions(settings)
    subjects = measure(settings.variants, conditions, settings, cache=at.open_cache())
    output.deliver(list_report(subjects, conditions, settings))
    return ExitStatus.OK
