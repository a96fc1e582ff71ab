"""The configuration of the project around the working directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ucseg_cli.errors import ConfigurationError, Place, UsageError, Where
from ucseg_cli.facts.settings import Settings
from ucseg_cli.project.config_file import find_document, refuse_misspelt
from ucseg_cli.references import Model, Reference
from ucseg_cli.system.paths import shown

if TYPE_CHECKING:
    from ucseg_cli.facts.budget import Budget


def load_project(*, needed: bool = False) -> Settings:
    """The settings in force here; raises MistakesError with everything that is wrong.

    If a configuration is *needed*, a misspelt table is an error, too.
    """
    try:
        directory = Path.cwd()
    except OSError as error:
        what = "the working directory is gone"
        raise ConfigurationError(what, help="change into one that exists") from error
    document = find_document(directory)
    if document is None:
        if needed:
            refuse_misspelt(directory)
        return Settings(variants_at=partial(_variants_at, directory))
    from ucseg_cli.project.configuration import read_settings

    return read_settings(document)


def _variants_at(directory: Path, revision: str, where: Where) -> Mapping[str, Model]:
    """The names that were configured at a revision, though nothing is now."""
    from ucseg_cli.project.variants_at import variants_at

    return variants_at(directory, revision, where)


def line_to_edit(settings: Settings, model: str) -> Place | None:
    """The line that defines a model, else the first of the configuration, if there is one."""
    first = Place(shown(settings.path), 1) if settings.path else None
    return settings.place_of(model) or first


def chosen_budgets(
    settings: Settings, models: Sequence[Reference], *, needed: bool
) -> list[Budget]:
    """The budgets of the models that were named; every budget if none was.

    Raises UsageError if there are none and some are *needed*: a check of nothing would always pass.
    """
    budgets = []
    for budget in settings.budgets:
        limited = tuple(model for model in budget.variants if not models or model in models)
        if limited:
            budgets.append(budget._replace(variants=limited))
    found = {model for budget in budgets for model in budget.variants}
    without = sorted(model.name for model in models if model not in found)
    if not needed or (budgets and not without):
        return budgets
    if settings.budgets:
        raise UsageError(
            f"no budget is about {', '.join(without)}",
            where="ucseg check",
            help="`ucseg config` shows the budgets; without a name, all of them are checked",
        )
    raise UsageError(
        "there is nothing to check",
        where="ucseg check",
        help="give a limit, as in --max params=650k, "
        "or let `ucseg init` start a configuration with budgets",
    )
