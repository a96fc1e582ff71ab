"""The command ``ucseg lint``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.console.options import ExitZeroOption, OneInput, OneModel, Output, complete_from, one_of
from ucseg_cli.errors import ExitStatus

FAIL_ON = ("never", "info", "warning", "error")

SelectOption = Annotated[
    list[str] | None, typer.Option("--select", metavar="CODE", help="Only rules that begin so, as in UC1; repeatable.")
]
IgnoreOption = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="CODE", help="No rules that begin so; repeatable.")
]
FailOnOption = Annotated[
    str,
    typer.Option(
        "--fail-on",
        metavar="SEVERITY",
        help=f"Exit 1 for findings at least that severe: {', '.join(FAIL_ON)}.",
        autocompletion=complete_from(FAIL_ON),
    ),
]


def lint(
    *,
    of: OneModel,
    at: OneInput,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    fail_on: FailOnOption = "never",
    exit_zero: ExitZeroOption = False,
    output: Output,
) -> int:
    """Find what an architecture wastes.

    Rules with codes, each with evidence in numbers and, where there is one, the mended variant with its exact saving.
    """
    from ucseg_cli.analysis.lint import chosen_rules
    from ucseg_cli.analysis.lint import lint as find
    from ucseg_cli.analysis.lint_rules import Severity
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.measure import measure
    from ucseg_cli.console.mends import measure_savings
    from ucseg_cli.report.lint import lint_report

    gate = one_of("severity", fail_on, FAIL_ON, "--fail-on")
    codes, conditions = chosen_rules(select or (), ignore or ()), at.conditions
    cache = at.open_cache()
    (subject,) = measure([of.name], conditions, cache=cache)
    findings = [finding for finding in find(subject) if finding.rule.code in codes]
    savings = measure_savings(subject, findings, conditions, cache=cache)
    deliver(lint_report(subject, conditions, findings, savings), output)
    failed = gate != "never" and any(each.rule.severity >= Severity[gate.upper()] for each in findings)
    return ExitStatus.GATE_FAILED if failed and not exit_zero else ExitStatus.OK
