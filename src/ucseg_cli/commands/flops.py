"""The command ``ucseg flops``."""

from __future__ import annotations

from ucseg_cli.commands.options import (
    DEFAULT_SIZE,
    BatchOption,
    ConventionOption,
    DepthOption,
    ModelArgument,
    NoCacheOption,
    Output,
    SizeOption,
    SortOption,
    TopOption,
    VariantOption,
    chosen_arrangement,
    chosen_conditions,
    chosen_depth,
    chosen_model,
)
from ucseg_cli.errors import ExitStatus


def flops(
    model: ModelArgument = None,
    *,
    variant: VariantOption = None,
    size: SizeOption = DEFAULT_SIZE,
    batch: BatchOption = 1,
    convention: ConventionOption = "fvcore",
    depth: DepthOption = 2,
    sort: SortOption = "tree",
    top: TopOption = None,
    no_cache: NoCacheOption = False,
    output: Output,
) -> int:
    """Count operations by module and operator.

    Under a convention, with what the convention leaves out.
    """
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.commands.deliver import deliver
    from ucseg_cli.commands.measure import measure
    from ucseg_cli.report.flops import flops_report

    conditions, priced = chosen_conditions(size, batch), find_convention(convention)
    arrangement, levels = chosen_arrangement(sort, top), chosen_depth(depth)
    (subject,) = measure([chosen_model(model, variant)], conditions, no_cache=no_cache)
    deliver(flops_report(subject, conditions, priced, levels, arrangement), output)
    return ExitStatus.OK
