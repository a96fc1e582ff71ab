"""The command ``ucseg list``."""

from __future__ import annotations

from itertools import starmap

from ucseg_cli.cli.options import OneInput
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def list(*, at: OneInput, output: Output) -> int:  # noqa: A001 - the command's name
    """List the named variants.

    A line for each: how it differs from the baseline, its parameters and its MACs.

    Examples:
      ucseg list
      ucseg list --size 512 -f json
    """
    from ucseg_cli.references import Reference
    from ucseg_cli.report.answers.look.list import list_report
    from ucseg_cli.workflow.load_project import load_project
    from ucseg_cli.workflow.measure import measure

    settings = load_project()
    conditions, named = at.conditions(settings), starmap(Reference, settings.variants.items())
    subjects = measure(named, [conditions], settings, cache=at.open_cache())
    output.deliver(list_report(subjects, conditions, settings))
    return ExitStatus.OK
