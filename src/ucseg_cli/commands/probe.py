"""The command ``ucseg probe``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.commands.options import (
    DEFAULT_SIZE,
    BatchOption,
    NoCacheOption,
    Output,
    SizesOption,
    VariantOption,
    chosen_conditions,
    complete_reference,
)
from ucseg_cli.errors import ExitStatus


def probe(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Variants to stand side by side.", autocompletion=complete_reference),
    ] = None,
    *,
    variant: VariantOption = None,
    size: SizesOption = [DEFAULT_SIZE],  # noqa: B006 - typer copies it
    batch: BatchOption = 1,
    no_cache: NoCacheOption = False,
    output: Output,
) -> int:
    """Probe the shapes of the taps.

    Channels, height, width and stride, of several models and sizes side by side.
    """
    from ucseg_cli.commands.deliver import deliver
    from ucseg_cli.commands.measure import measure_each
    from ucseg_cli.report.probe import Probed, probe_report
    from ucseg_cli.variants import DEFAULT

    names = [*(models or []), *([variant] if variant else [])] or [DEFAULT]
    conditions = [chosen_conditions(each, batch) for each in dict.fromkeys(size)]
    probed = [Probed(subject, each) for subject, each in measure_each(names, conditions, no_cache=no_cache)]
    deliver(probe_report(probed), output)
    return ExitStatus.OK
