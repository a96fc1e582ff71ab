"""The command ``ucseg lint``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import ExitZeroOption, OneInput, OneModel, complete_from, one_of
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus
from ucseg_cli.facts.settings import FAIL_ON

SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select", metavar="CODE", help="Only rules that begin so, as in UC1; repeatable."
    ),
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="CODE", help="No rules that begin so; repeatable."),
]
FailOnOption = Annotated[
    str | None,
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
    fail_on: FailOnOption = None,
    exit_zero: ExitZeroOption = False,
    output: Output,
) -> int:
    """Find what an architecture wastes.

    Rules with codes, each with evidence in numbers and, where there is one, the fixed variant with its exact saving.
    """
    from ucseg_cli.analysis.rules.fixes import Scope
    from ucseg_cli.analysis.rules.lint_catalogue import Severity
    from ucseg_cli.analysis.rules.lint_checks import chosen_rules
    from ucseg_cli.analysis.rules.lint_checks import lint as find
    from ucseg_cli.facts.budget import Place
    from ucseg_cli.report.answers.choose.lint import lint_report
    from ucseg_cli.system.paths import shown
    from ucseg_cli.workflow.load_project import project
    from ucseg_cli.workflow.measure import measure
    from ucseg_cli.workflow.measure_fixes import measure_savings

    settings = project()
    severity = one_of("severity", fail_on or settings.lint.fail_on, FAIL_ON, "--fail-on")
    codes, conditions = (
        chosen_rules(select or settings.lint.select, ignore or settings.lint.ignore),
        at.conditions(settings),
    )
    cache = at.open_cache()
    (subject,) = measure([of.name(settings)], conditions, settings, cache=cache)
    scope = Scope(codes, None if severity == "never" else Severity[severity.upper()])
    findings = [finding for finding in find(subject) if finding.rule.code in codes]
    savings = measure_savings(subject, findings, conditions, settings, cache=cache)
    place = settings.place_of(subject.name) or (
        Place(shown(settings.path), 1) if settings.path else None
    )
    report = lint_report(subject, conditions, findings, savings, scope=scope, place=place)
    output.deliver(report, [subject])
    failed = any(scope.status(each) == "fail" for each in findings)
    return ExitStatus.GATE_FAILED if failed and not exit_zero else ExitStatus.OK
