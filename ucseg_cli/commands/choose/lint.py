"""The command ``ucseg lint``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import JUDGE, ExitZeroOption, OneInput, OneModel, choice
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus
from ucseg_cli.facts.choices import FAIL_ON

SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="CODE",
        help="Only rules with this beginning, as in UC1; repeatable.",
        rich_help_panel=JUDGE,
    ),
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="CODE",
        help="No rules with this beginning; repeatable.",
        rich_help_panel=JUDGE,
    ),
]
FailOnOption = Annotated[
    str | None,
    choice(
        "--fail-on",
        noun="severity",
        known=FAIL_ON,
        help="Exit 1 for findings at least this severe",
        panel=JUDGE,
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

    Rules with codes; each finding has its numbers and, if there is one, a fix and its saving.

    Examples:
      ucseg lint v2 --size 512
      ucseg lint net.py:Net --ignore UC108 --fail-on warning
    """
    from ucseg_cli.analysis.rules.fixes import Scope
    from ucseg_cli.analysis.rules.lint_checks import chosen_rules, lint
    from ucseg_cli.report.answers.choose.lint import lint_report
    from ucseg_cli.workflow.load_project import line_to_edit
    from ucseg_cli.workflow.measure import measure
    from ucseg_cli.workflow.measure_fixes import measure_savings

    settings = at.project()
    codes = chosen_rules(select or settings.lint.select, ignore or settings.lint.ignore)
    scope = Scope.failing_from(codes, fail_on or settings.lint.fail_on)
    conditions, cache = at.conditions(settings), at.open_cache()
    (subject,) = measure([of.find(settings)], [conditions], settings, cache=cache)
    conditions = conditions.as_run(subject.trace)
    findings = [finding for finding in lint(subject) if finding.rule.code in codes]
    savings = measure_savings(subject, findings, conditions, settings, cache=cache)
    place = line_to_edit(settings, subject.name)
    report = lint_report(subject, conditions, findings, savings, scope=scope, place=place)
    output.deliver(report, [subject])
    failed = any(scope.status(finding) == "fail" for finding in findings)
    return ExitStatus.GATE_FAILED if failed and not exit_zero else ExitStatus.OK
