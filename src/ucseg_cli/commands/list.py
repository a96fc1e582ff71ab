"""The command ``ucseg list``."""

from __future__ import annotations

from ucseg_cli.commands.options import DEFAULT_SIZE, BatchOption, NoCacheOption, Output, SizeOption, chosen_conditions
from ucseg_cli.errors import ExitStatus


def list_variants(
    *, size: SizeOption = DEFAULT_SIZE, batch: BatchOption = 1, no_cache: NoCacheOption = False, output: Output
) -> int:
    """Name the known variants, a line each.

    For each what differs from the baseline, its parameters and its MACs.
    """
    from ucseg_cli.commands.deliver import deliver
    from ucseg_cli.commands.measure import measure
    from ucseg_cli.report.catalogue import list_report
    from ucseg_cli.variants import CATALOGUE

    conditions = chosen_conditions(size, batch)
    deliver(list_report(measure(CATALOGUE, conditions, no_cache=no_cache), conditions), output)
    return ExitStatus.OK
