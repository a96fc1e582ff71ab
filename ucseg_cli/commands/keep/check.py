"""The command ``ucseg check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ucseg_cli.cli.file_type import FileName
from ucseg_cli.cli.options import (
    JUDGE,
    DeployOption,
    ExitZeroOption,
    ManyInputs,
    ManyModels,
    since_option,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from ucseg_cli.errors import UcsegError
    from ucseg_cli.facts.conditions import Point
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.project.marked_file import MarkedFile


def complete_limit(incomplete: str) -> list[str]:
    """Shell completion of a limit's metric."""
    from ucseg_cli.analysis.counting.metrics import EVERY_METRIC

    return [f"{metric}=" for metric in EVERY_METRIC if metric.startswith(incomplete)]


MaxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--max",
        "-m",
        metavar="METRIC=N",
        help="A limit, as in params=650k or fvcore=800M; repeatable.",
        autocompletion=complete_limit,
        rich_help_panel=JUDGE,
    ),
]
LockedOption = Annotated[
    bool,
    typer.Option(
        "--locked",
        help="Also compare models with the lock; any difference fails.",
        rich_help_panel=JUDGE,
    ),
]
DocsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--docs",
        metavar="FILE...",
        click_type=FileName("README.md"),
        help="Check the marked figures in documents, all words up to the next option; "
        "alone, it checks nothing else.",
        rich_help_panel=JUDGE,
    ),
]
FixOption = Annotated[
    bool,
    typer.Option(
        "--fix", help="Write the right figures into the documents.", rich_help_panel=JUDGE
    ),
]


SinceOption = Annotated[
    str | None, since_option("Judge vs-baseline budgets against the same model at a revision.")
]


def check(
    *,
    of: ManyModels,
    since: SinceOption = None,
    at: ManyInputs,
    deploy: DeployOption = False,
    maximum: MaxOption = None,
    locked: LockedOption = False,
    docs: DocsOption = None,
    fix: FixOption = False,
    exit_zero: ExitZeroOption = False,
    output: Output,
) -> int:
    """Check models against their budgets.

    Budgets of the configuration, limits given here and, with --locked, the lock. Naming models
    chooses among the budgets. With --docs, figures in documents. Exits with 1 if a limit is
    exceeded, a locked model has changed or a figure is wrong.

    Examples:
      ucseg check --locked --since main
      ucseg check v2 --size 512 --max params=650k --max fvcore=800M
      ucseg check --docs README.md 'docs/*.md' --fix
    """
    from ucseg_cli.analysis.rules.budget_checks import judge, parse_limit, points_needed
    from ucseg_cli.report.answers.keep.check import check_report
    from ucseg_cli.terminal.streams import say
    from ucseg_cli.workflow.compare_since import baseline_of
    from ucseg_cli.workflow.load_project import chosen_budgets
    from ucseg_cli.workflow.measure import measure_points

    settings = at.project(needed=True)
    models, inputs, cache = of.named(settings), at.conditions(settings), at.open_cache()
    limits = [parse_limit(text, [model]) for model in of.find(settings) for text in maximum or ()]
    only_docs = bool(docs) and not (models or limits or locked)
    _refuse_other_conditions(at, deploy=deploy, locked=locked, docs=bool(docs), alone=only_docs)
    if fix and not docs:
        what, name_them = "--fix is about figures in documents", "name them: --docs README.md --fix"
        raise UsageError(what, where="--fix", help=name_them)
    needed = not limits and not locked
    budgets = [] if only_docs else [*chosen_budgets(settings, models, needed=needed), *limits]
    files = _documents(docs, settings)
    budgets += [figure.budget for file in files for figure in file.figures]
    baseline = baseline_of(budgets, settings, since)
    if since is not None and not baseline.then:
        idle = f"--since {since} changes nothing: no budget that is checked has vs-baseline"
        say("warning", f'{idle}; write vs-baseline = "+2%" in one to judge it against {since}')
    points = points_needed(budgets, inputs, baseline)
    failures: dict[Point, UcsegError] = {}
    subjects = measure_points(
        points, settings, cache=cache, deploy=deploy, run=False, failures=failures
    )
    checks = judge(budgets, inputs, subjects, baseline, failures)
    lock = None
    if locked:
        from ucseg_cli.workflow.check_lock import check_lock  # budgets alone do not need it

        lock = check_lock(settings, models, cache=cache)
    if fix:
        from ucseg_cli.workflow.check_docs import fix_figures

        checks = fix_figures(files, checks)
    run = [
        point.conditions.as_run(subjects[point].trace) if point in subjects else point.conditions
        for point in points
    ]
    judged = [*run, *(lock.conditions if lock else ())]
    report = check_report(checks, list(dict.fromkeys(judged)), lock)
    output.deliver(report, subjects.values())
    if any(check.failure for check in checks):
        return ExitStatus.NO_VERDICT
    passed = all(check.passed for check in checks) and not (lock and lock.drifts)
    return ExitStatus.OK if passed or exit_zero else ExitStatus.GATE_FAILED


def _documents(docs: list[Path] | None, settings: Settings) -> list[MarkedFile]:
    if not docs:
        return []
    from ucseg_cli.workflow.check_docs import read_documents  # nothing else needs it

    return read_documents(docs, settings)


def _refuse_other_conditions(
    at: ManyInputs, *, deploy: bool, locked: bool, docs: bool, alone: bool
) -> None:
    """Raise UsageError for conditions that a lock, or a figure in a document, does not have."""
    if not (locked or docs):
        return
    option, noun = ("--locked", "a lock") if locked else ("--docs", "a marked figure")
    fix = "use one of them"
    if deploy:
        what = f"{noun} is of models as they are trained"
        raise UsageError(what, where=f"{option} --deploy", help=fix)
    if at.batch != 1:
        what = f"{noun} is of single images"
        raise UsageError(what, where=f"{option} --batch {at.batch}", help=fix)
    inputs = {
        "--input": at.input if locked or alone else None,
        "--size": at.size if alone else None,
    }
    for name, given in inputs.items():
        if given:
            text = given if isinstance(given, str) else " ".join(given)
            what = f"{noun} has inputs of its own"
            raise UsageError(what, where=f"{option} {name} {text[:40]}", help=fix)
