"""The command ``ucseg show``."""

from __future__ import annotations

from ucseg_cli.commands.options import (
    DEFAULT_SIZE,
    BatchOption,
    ConventionOption,
    ModelArgument,
    NoCacheOption,
    Output,
    SizeOption,
    VariantOption,
    chosen_conditions,
    chosen_model,
)
from ucseg_cli.errors import ExitStatus


def show(
    model: ModelArgument = None,
    *,
    variant: VariantOption = None,
    size: SizeOption = DEFAULT_SIZE,
    batch: BatchOption = 1,
    convention: ConventionOption = "fvcore",
    no_cache: NoCacheOption = False,
    output: Output,
) -> int:
    """Show one model on one screen.

    Totals, axes, taps and the heaviest modules.
    """
    from ucseg_cli.analysis.conventions import find_convention
    from ucseg_cli.commands.deliver import deliver
    from ucseg_cli.commands.measure import measure
    from ucseg_cli.report.show import show_report

    conditions, priced = chosen_conditions(size, batch), find_convention(convention)
    (subject,) = measure([chosen_model(model, variant)], conditions, no_cache=no_cache)
    deliver(show_report(subject, conditions, priced), output)
    return ExitStatus.OK
