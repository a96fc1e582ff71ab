"""The command ``ucseg compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ucseg_cli.cli.options import (
    MEASURE,
    OUTPUT,
    ConventionOption,
    DeployOption,
    DepthOption,
    OneInput,
    TopOption,
    choice,
    reference_argument,
    since_option,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.cli.training_options import TrainingOptions
from ucseg_cli.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.references import Reference

ORDERS = ("change", "path")
BASE_HELP = "The model to compare with; with --since alone, every configured model is compared."
MODELS_HELP = "Models to compare with it; without any, BASE is compared with the baseline."

BaseArgument = Annotated[str | None, reference_argument("[BASE]", BASE_HELP)]
ModelsArgument = Annotated[list[str] | None, reference_argument("[MODEL]...", MODELS_HELP)]
SinceOption = Annotated[str | None, since_option("Compare BASE with itself at a revision of git.")]
OrderOption = Annotated[
    str, choice("--sort", noun="order", known=ORDERS, help="Order of modules", panel=OUTPUT)
]
LatencyOption = Annotated[
    bool,
    typer.Option(
        "--latency",
        help="Also measure time, as `ucseg latency` does.",
        rich_help_panel=MEASURE,
    ),
]
FullOption = Annotated[
    bool,
    typer.Option("--full", help="Every table and row on the screen.", rich_help_panel=OUTPUT),
]


def compare(
    base: BaseArgument = None,
    models: ModelsArgument = None,
    *,
    since: SinceOption = None,
    at: OneInput,
    convention: ConventionOption = None,
    deploy: DeployOption = False,
    latency: LatencyOption = False,
    training: TrainingOptions,
    depth: DepthOption = 2,
    sort: OrderOption = "change",
    top: TopOption = None,
    full: FullOption = False,
    output: Output,
) -> int:
    """Compare models with a baseline.

    First what matters: the totals, axes, modules, taps and findings that changed; --full shows
    all. For two variants of one design, of the family, a class of yours or a library, also what
    each changed axis adds. Ends in one sentence. Beside a checkpoint it says whether the model
    loads it, and which entries are missing, unexpected or of another shape. With --since, what a
    model has changed since a branch, a tag or a commit; with --train, its training step instead.

    Examples:
      ucseg compare v1 v2 --size 512 --batch 8 --train --optimizer adamw
      ucseg compare net.py:Net+width=32 --since main
      ucseg compare net.py:Net last.ckpt
    """
    from ucseg_cli.report.answers.choose.compare import compare_report
    from ucseg_cli.workflow.compare_models import compare_models

    settings = at.project()
    conditions, cache = training.applied_to(at.conditions(settings)), at.open_cache()
    training.refuse({"--deploy": deploy, "--latency": latency})
    # under torch a grouped conv costs too much in backward, which can turn a comparison round
    priced = training.convention(convention, settings, of_a_step="macs")
    if latency:
        _refuse_to_time(base, deploy=deploy)
    if base is None:
        if since is None:
            fix = "write `ucseg compare v1 v2`, or `ucseg compare --since main`"
            raise UsageError("missing argument 'BASE'", where="ucseg compare", help=fix)
        from ucseg_cli.report.answers.choose.since_report import since_report
        from ucseg_cli.workflow.compare_since import compare_since

        found = compare_since(conditions, settings, since, cache=cache, deploy=deploy)
        output.deliver(since_report(found, since, conditions, priced), prices=settings.prices)
        return ExitStatus.OK
    names = _since(base, models, since) if since is not None else [base, *(models or ())]
    named = list(map(settings.find, names))
    references = named if len(named) > 1 else [_baseline(settings, named[0]), *named]
    subjects, conditions, comparisons, why = compare_models(
        references, conditions, settings, cache=cache, deploy=deploy, depth=depth
    )
    timed = None
    if latency:
        from ucseg_cli.workflow.timing.time_models import TimingWish, time_models

        timed = time_models(subjects, conditions, TimingWish(), settings)
    report = compare_report(
        comparisons,
        conditions,
        priced,
        sort=sort,
        top=top,
        full=full,
        reasons=why,
        timed=timed,
        budgets=settings.budgets,
    )
    output.deliver(report, subjects)
    return ExitStatus.OK if timed is None else timed.exit_status


def _refuse_to_time(base: str | None, *, deploy: bool) -> None:
    """Raise UsageError for a comparison that has nothing to run."""
    if deploy:
        what = "--deploy folds batch norms in what is counted, and changes nothing that runs"
        raise UsageError(what, where="--latency", help="leave one of them out")
    if base is None:
        what = "--latency measures the models that you name"
        raise UsageError(what, where="--latency", help="write `ucseg compare v1 v2 --latency`")


def _baseline(settings: Settings, alone: Reference) -> Reference:
    """The model that one alone is compared with; raises UsageError where that is the same."""
    baseline = settings.baseline
    if baseline.model == alone.model:
        named = "" if alone.name == baseline.name else f" {baseline.name}"
        what = f"{alone.name} is the baseline{named}, and there is no other model"
        fix = f"write `ucseg compare {alone.name} MODEL`, or --since REV for another revision of it"
        raise UsageError(what, where=f"ucseg compare {alone.name}", help=fix)
    return baseline


def _since(base: str | Reference, models: list[str] | None, revision: str) -> list[str]:
    """The model at a revision, and as it is; raises UsageError for several, and for no name."""
    from ucseg_cli.references.grammar import at_other_revision

    if not isinstance(base, str):  # from Python
        what = "a module in memory is of no revision"
        raise UsageError(what, where="since=", help="name what builds it, as in net.py:Net")

    if models:
        what = f"--since compares a model with itself; you gave {1 + len(models)}"
        fix = f"`ucseg compare {base} --since {revision}`"
        raise UsageError(what, where=f"--since {revision}", help=fix)
    return [at_other_revision(base, revision, "--since"), base]
