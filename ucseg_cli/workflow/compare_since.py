"""Models beside themselves at a revision: every one that a project names, and for budgets."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.comparing.comparison import compare_all
from ucseg_cli.analysis.comparing.model_since import ModelSince
from ucseg_cli.analysis.rules.budget_checks import ABSENT, Baseline
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import AbsentError, UcsegError, UsageError
from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.conditions import Conditions, Point
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.revisions import Revisions
from ucseg_cli.references import FromCheckpoint, FromLibrary, OwnCode, Reference
from ucseg_cli.references.grammar import at_other_revision, split_revision
from ucseg_cli.references.variants import CATALOGUE
from ucseg_cli.workflow.measure import measure_points


def configured_models(settings: Settings) -> list[Reference]:
    """The project's own models: its named variants and those of its budgets, each once.

    Raises UsageError if there is none. Installed models are the same at every revision.
    """
    named = [settings.find(name) for name in settings.variants if name not in CATALOGUE]
    in_budgets = [model for budget in settings.budgets for model in budget.variants]
    models = dict.fromkeys((*named, *in_budgets, settings.default, settings.baseline))
    own = [model for model in models if model_at(model, settings, "HEAD") is not model]
    if not own:
        raise UsageError(
            "no model of your own is configured",
            where="ucseg compare --since",
            help="name one, or let `ucseg init` start a configuration with budgets",
        )
    return own


def compare_since(
    conditions: Conditions,
    settings: Settings,
    since: str,
    *,
    cache: Cache | None,
    deploy: bool = False,
) -> list[ModelSince]:
    """Each configured model beside itself at a revision; raises UsageError for an unknown one."""
    models = configured_models(settings)
    then = {model: model_at(model, settings, since) for model in models}
    points = [Point(model, conditions) for model in models]
    points += [Point(base, conditions) for base in then.values() if isinstance(base, Reference)]
    failures: dict[Point, UcsegError] = {}
    subjects = measure_points(
        points, settings, cache=cache, deploy=deploy, run=False, failures=failures
    )
    return [_since(model, then[model], conditions, subjects, failures) for model in models]


def _since(
    model: Reference,
    base: Reference | UcsegError,
    conditions: Conditions,
    subjects: dict[Point, Subject],
    failures: dict[Point, UcsegError],
) -> ModelSince:
    point = Point(model, conditions)
    if point in failures:
        return ModelSince(model.name, failure=failures[point])
    if isinstance(base, UcsegError):
        return ModelSince(model.name, new=subjects[point])
    before = Point(base, conditions)
    if before in failures:
        failure = failures[before]
        is_new = failure.kind in ABSENT
        return ModelSince(model.name, new=subjects[point] if is_new else None, failure=failure)
    (comparison,) = compare_all(subjects[before], [subjects[point]], depth=2)
    return ModelSince(model.name, comparison)


def baseline_of(budgets: Iterable[Budget], settings: Settings, since: str | None) -> Baseline:
    """The configured baseline; with *since* each model of a relative budget at that revision.

    Raises UsageError for a revision that there is not.
    """
    if since is None:
        return Baseline(settings.baseline)
    models = {
        model for budget in budgets if budget.relative is not None for model in budget.variants
    }
    then = {model: model_at(model, settings, since) for model in models}
    return Baseline(settings.baseline, since, then)


def model_at(model: Reference, settings: Settings, since: str) -> Reference | AbsentError:
    """A model at a revision; itself if it is of the environment, or at a revision already."""
    name, revision = split_revision(model.name)
    is_installed = isinstance(model.model, FromLibrary | FromCheckpoint)
    is_built_in = model.variant is not None and name.partition("+")[0] in CATALOGUE
    where = f"--since {since}"
    if revision is not None or is_installed or is_built_in:
        return model
    named = at_other_revision(model.name, since, where)
    try:
        if isinstance(model.model, OwnCode) and ":" in name.partition("+")[0]:
            at = Reference(named, model.model._replace(revision=since))
        else:  # a name of the configuration, which may have stood for something else
            at = settings.find(named, where)
        if isinstance(at.model, OwnCode):
            with Revisions() as revisions:
                revisions.commit_of(at.model)
    except AbsentError as error:
        return error
    return at
