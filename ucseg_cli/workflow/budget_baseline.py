"""The baseline that relative limits are worked out from: one model, or each model as it was."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.rules.budget_checks import Baseline
from ucseg_cli.errors import AbsentError
from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.revisions import Revisions
from ucseg_cli.references import FromCheckpoint, FromLibrary, OwnCode, Reference
from ucseg_cli.references.grammar import at_other_revision, split_revision
from ucseg_cli.references.variants import CATALOGUE


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
    if isinstance(model.model, OwnCode):
        at = model.model._replace(revision=since)
        with Revisions() as revisions:
            try:
                revisions.commit_of(at)
            except AbsentError as error:
                return error
        return Reference(at_other_revision(model.name, since, where), at)
    try:
        return settings.find(at_other_revision(model.name, since, where), where)
    except AbsentError as error:
        return error
