"""The command ``ucseg params``."""

from __future__ import annotations

from ucseg_cli.commands.options import (
    DEFAULT_SIZE,
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


def params(
    model: ModelArgument = None,
    *,
    variant: VariantOption = None,
    depth: DepthOption = 2,
    sort: SortOption = "tree",
    top: TopOption = None,
    size: SizeOption = DEFAULT_SIZE,
    no_cache: NoCacheOption = False,
    output: Output,
) -> int:
    """Count parameters by module.

    Total, trainable, frozen, buffers, bytes and share; what is shared counts once.
    """
    from ucseg_cli.commands.deliver import deliver
    from ucseg_cli.commands.measure import measure
    from ucseg_cli.report.params import params_report

    conditions, arrangement, levels = chosen_conditions(size, 1), chosen_arrangement(sort, top), chosen_depth(depth)
    (subject,) = measure([chosen_model(model, variant)], conditions, no_cache=no_cache)
    deliver(params_report(subject, conditions, levels, arrangement), output)
    return ExitStatus.OK
