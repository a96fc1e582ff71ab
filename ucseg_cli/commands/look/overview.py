"""The command ``ucseg overview``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ucseg_cli.cli.options import ConventionOption, DepthOption, ManyModels, OneInput
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

if TYPE_CHECKING:
    from ucseg_cli.analysis.counting.conventions import Convention
    from ucseg_cli.analysis.subject import Subject
    from ucseg_cli.facts.conditions import Conditions
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.gate.cache import Cache
    from ucseg_cli.report.document import Report


def overview(
    *,
    of: ManyModels,
    at: OneInput,
    convention: ConventionOption = None,
    depth: DepthOption = 2,
    output: Output,
) -> int:
    """Show everything about a model, or about several beside the first, on one page.

    Totals, parameters, operations, memory, taps and findings with their pictures; of several
    models first what differs, and why.

    Examples:
      ucseg overview v2 --export-html v2.html
      ucseg overview v1 v2 --size 512 --export-html change.html
    """
    from ucseg_cli.analysis.counting.conventions import CONVENTIONS
    from ucseg_cli.report.answers.look.overview import overview_report
    from ucseg_cli.workflow.compare_models import compare_models
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    references, cache = of.find(settings), at.open_cache()
    conditions, priced = at.conditions(settings), CONVENTIONS[convention or settings.convention]
    answers: list[Report] = []
    if len(references) > 1:
        from ucseg_cli.report.answers.choose.compare import compare_report

        found = compare_models(references, conditions, settings, cache=cache, depth=depth)
        subjects, conditions, comparisons, why = found
        answers.append(
            compare_report(
                comparisons, conditions, priced, sort="change", top=None, full=False, reasons=why
            )
        )
    else:
        subjects = measure(references, [conditions], settings, cache=cache)
        conditions = conditions.as_run(subjects[0].trace)
        answers += _costs(subjects[0], conditions, priced, settings, depth)
    for subject in subjects:
        answers += _more(subject, conditions, settings, cache)
    names = [reference.name for reference in references]
    output.deliver(overview_report(names, answers), subjects)
    return ExitStatus.OK


def _costs(
    subject: Subject,
    conditions: Conditions,
    convention: Convention,
    settings: Settings,
    depth: int,
) -> Iterator[Report]:
    """Totals and taps of one model, its operations and its parameters."""
    from ucseg_cli.report.answers.look.flops import flops_report
    from ucseg_cli.report.answers.look.params import params_report
    from ucseg_cli.report.answers.look.show import show_report
    from ucseg_cli.report.parts.module_table import Arrangement

    yield show_report(subject, conditions, convention, settings)
    yield flops_report(subject, conditions, convention, Arrangement(depth))
    yield params_report(subject, conditions, Arrangement(depth))


def _more(
    subject: Subject, conditions: Conditions, settings: Settings, cache: Cache | None
) -> Iterator[Report]:
    """The memory of a model and what it wastes; nothing of one that does not run."""
    from ucseg_cli.analysis.rules.fixes import Scope
    from ucseg_cli.analysis.rules.lint_checks import chosen_rules, lint
    from ucseg_cli.report.answers.choose.lint import lint_report
    from ucseg_cli.report.answers.look.memory import memory_report
    from ucseg_cli.workflow.measure_fixes import measure_savings

    if subject.trace.failure is not None:
        return
    yield memory_report(subject, conditions, None, top=None)
    codes = chosen_rules(settings.lint.select, settings.lint.ignore)
    findings = [finding for finding in lint(subject) if finding.rule.code in codes]
    savings = measure_savings(subject, findings, conditions, settings, cache=cache)
    scope = Scope.failing_from(codes, settings.lint.fail_on)
    yield lint_report(subject, conditions, findings, savings, scope=scope, place=None)
