"""What the project around the working directory has configured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ucseg_cli.errors import ConfigurationError, UsageError
from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.settings import Settings
from ucseg_cli.project.config_file import find_document, refuse_misspelt
from ucseg_cli.references import parse_reference


def project(*, needed: bool = False) -> Settings:
    """The settings in force here; raises ConfigurationError, or MistakesError with everything that is wrong.

    Where they are *needed*, a table of theirs whose name is misspelt is no reason to pass.
    """
    try:
        directory = Path.cwd()
    except OSError as error:
        raise ConfigurationError(
            "the working directory is gone", help="change into one that exists"
        ) from error
    document = find_document(directory)
    if document is None:
        if needed:
            refuse_misspelt(directory)
        return Settings()
    from ucseg_cli.project.configuration import read_settings
    from ucseg_cli.workflow.config_vocabulary import vocabulary

    return read_settings(document, vocabulary())


def chosen_budgets(settings: Settings, names: Sequence[str], *, needed: bool) -> list[Budget]:
    """The budgets about the models that were named; every budget where none was.

    Raises UsageError where there are none, and some are *needed*: a check of nothing would always pass.
    """
    wanted = {parse_reference(name, settings.variants).name for name in names}
    budgets = [
        budget._replace(variants=about)
        for budget in settings.budgets
        if (about := tuple(name for name in budget.variants if not wanted or name in wanted))
    ]
    without = sorted(wanted - {name for budget in budgets for name in budget.variants})
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
        help="give a limit, as in --max params=650k, or write [[tool.ucseg.budgets]] into pyproject.toml",
    )
