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


TopicArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[TOPIC]",
        help="As in fvcore, rates or exit-status; without one, all are listed.",
        autocompletion=complete_topic,
    ),
]


def explain(topic: TopicArgument = None, *, output: Output) -> int:
    """Explain a term.

    A metric, convention, axis, rule, exit status or another topic.

    Examples:
      ucseg explain
      ucseg explain fvcore
      ucseg explain UC104
    """
    from ucseg_cli.report.answers.trust.explain import explain_report

    output.deliver(explain_report(topic))
    return ExitStatus.OK
