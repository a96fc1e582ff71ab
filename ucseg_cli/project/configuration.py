"""A whole configuration, read into settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.errors import (
    ConfigurationError,
    MistakesError,
    Place,
    UcsegError,
    UnknownNameError,
    Where,
)
from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.choices import FAIL_ON, SECONDS, read_seconds
from ucseg_cli.facts.settings import LintSettings, SavedMachine, Settings
from ucseg_cli.facts.trace import Price
from ucseg_cli.project.config_file import Document
from ucseg_cli.project.sections.budget_section import read_budget, read_size
from ucseg_cli.project.sections.config_section import Section, read_known, read_text, spell
from ucseg_cli.project.sections.space_sections import read_spaces
from ucseg_cli.project.sections.variant_sections import read_variants
from ucseg_cli.references import Model, Reference

KEYS = {
    "default": "the model of commands that name none",
    "baseline": "the model that `ucseg compare MODEL` and `vs-baseline` compare with",
    "size": "the input in pixels, or several; commands about one size take the first",
    "convention": "how operations are priced",
    "timeout": "how long a model of your own may run, in seconds",
    "variants": "named variants, each of which changes axes of another",
    "spaces": "named spaces, each of which varies axes of a model, for `ucseg sweep`",
    "machines": "named machines, on which `ucseg latency --on NAME` limits time",
    "budgets": "limits that `ucseg check` judges",
    "prices": "operators that no convention prices, and what a call of each costs",
    "lint": "the findings that `ucseg lint` reports",
}
"""The keys of a configuration, and what each means."""

LINT_KEYS = {
    "select": "codes of the rules to look for, or how they begin; else every rule",
    "ignore": "codes of rules to leave out, or how they begin",
    "fail-on": "exit 1 for findings at least this severe",
}
"""The keys of its table ``lint``, and what each means."""


def read_settings(document: Document) -> Settings:
    """The settings of *document*; raises MistakesError with all that is wrong, top to bottom."""
    mistakes: list[UcsegError] = []
    root = Section(document, document.data, (), mistakes)
    root.only(KEYS)
    variants = read_variants(root.table("variants"), document.path.parent)
    at_revision = partial(_variants_at, document.path.parent)
    known = Settings(path=document.path, variants=variants, variants_at=at_revision)
    reference = partial(_read_reference, known)
    convention = partial(read_known, "convention", CONVENTIONS)
    known = known._replace(default=root.read("default", reference, known.default))
    settings = known._replace(
        baseline=root.read("baseline", reference, known.baseline),
        sizes=root.read_each("size", read_size, known.sizes),
        convention=root.read("convention", convention, known.convention),
        timeout=root.read("timeout", _read_timeout, known.timeout),
        spaces=read_spaces(root.table("spaces"), known),
        machines=_read_machines(root),
        budgets=_read_budgets(root, known),
        prices=_read_prices(root),
        lint=_read_lint(root.table("lint")),
        places=dict(_places(document)),
    )
    if mistakes:
        raise MistakesError(sorted(mistakes, key=_line))
    return settings


def _variants_at(folder: Path, revision: str, where: Where) -> Mapping[str, Model]:
    from ucseg_cli.project.variants_at import variants_at  # only a revision needs git

    return variants_at(folder, revision, where)


def _line(mistake: UcsegError) -> int:
    return (mistake.place.line if mistake.place else None) or 0


def _places(document: Document) -> Iterator[tuple[str, Place]]:
    """The line of each key, and of each key one level below in a table."""
    for name, value in document.data.items():
        inner = value if isinstance(value, dict) else ()
        for key in ((name,), *((name, below) for below in inner)):
            yield ".".join(key), document.place(key)._replace(key="")


def _read_reference(known: Settings, value: Any, where: Place) -> Reference:
    return known.find_written(read_text(value, where), where)


def _read_timeout(value: Any, where: Place) -> float:
    try:
        return read_seconds(value)
    except ValueError:
        what = f"{spell(value)} is not {SECONDS}"
        raise ConfigurationError(what, where=where, help="as in timeout = 600") from None


def _read_machines(root: Section) -> Mapping[str, SavedMachine]:
    if "machines" not in root:
        return {}
    from ucseg_cli.project.sections.machine_sections import read_machines  # few have machines

    return read_machines(root.table("machines"))


def _read_lint(section: Section) -> LintSettings:
    section.only(LINT_KEYS)
    severity = partial(read_known, "severity", FAIL_ON)
    return LintSettings(
        select=section.read_each("select", _read_code, ()),
        ignore=section.read_each("ignore", _read_code, ()),
        fail_on=section.read("fail-on", severity, LintSettings().fail_on),
    )


def _read_code(value: Any, where: Place) -> str:
    code = read_text(value, where)
    if not any(rule.startswith(code) for rule in RULES):
        raise UnknownNameError("rule", code, RULES, where=where)
    return code


def _read_prices(root: Section) -> tuple[Price, ...]:
    if "prices" not in root:
        return ()
    from ucseg_cli.project.sections.price_sections import read_prices  # few projects have any

    return read_prices(root.tables("prices"))


def _read_budgets(root: Section, known: Settings) -> tuple[Budget, ...]:
    found: dict[str | None, Budget] = {}
    for section in root.tables("budgets"):
        budget = read_budget(section, known)
        if budget.id and budget.id in found:
            section.mistaken(f"two budgets have the id '{budget.id}'", "id")
        found[budget.id] = budget
    return tuple(found.values())
