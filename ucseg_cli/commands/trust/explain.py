"""The command ``ucseg explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def complete_topic(incomplete: str) -> list[str]:
    """Shell completion of a topic."""
    from ucseg_cli.report.answers.trust.explain import topics

    return [name for name in topics() if name.startswith(incomplete)]


def explain(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOPIC]",
            help="As in fvcore, rates or exit-status.",
            autocompletion=complete_topic,
        ),
    ] = None,
    *,
    output: Output,
) -> int:
    """Explain a metric, convention or axis.

    Or an exit status, or another topic; without one, list them all.
    """
    from ucseg_cli.report.answers.trust.explain import explain_report

    output.deliver(explain_report(topic))
    return ExitStatus.OK
