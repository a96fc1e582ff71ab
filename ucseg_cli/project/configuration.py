"""A whole configuration, read into the settings that it makes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from ucseg_cli.errors import ConfigurationError, MistakesError, UnknownNameError
from ucseg_cli.facts.budget import Budget, Place
from ucseg_cli.facts.conditions import Size
from ucseg_cli.facts.settings import DEFAULT_CONVENTION, LintSettings, Settings
from ucseg_cli.project.budget_section import Vocabulary, read_budget, read_size
from ucseg_cli.project.config_file import Document
from ucseg_cli.project.config_section import Mistake, Section, read_known, read_text, spell
from ucseg_cli.references import parse_reference
from ucseg_cli.references.variants import AXES, BASELINE, CATALOGUE, DEFAULT, Variant, parse_variant

KEYS = ("default", "baseline", "size", "convention", "variants", "budgets", "lint")
LINT_KEYS = ("select", "ignore", "fail-on")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def read_settings(document: Document, words: Vocabulary) -> Settings:
    """What *document* says. Raises MistakesError with everything in it that is wrong, from top to bottom."""
    mistakes: list[Mistake] = []
    root = Section(document, document.data, (), mistakes)
    root.only(KEYS)
    variants = _read_variants(root.table("variants"))
    reference = partial(_read_reference, variants)
    default = root.read("default", reference, DEFAULT)
    settings = Settings(
        path=document.path,
        default=default,
        baseline=root.read("baseline", reference, BASELINE),
        sizes=root.read_each("size", read_size, (Size(),)),
        convention=root.read(
            "convention", partial(read_known, "convention", words.conventions), DEFAULT_CONVENTION
        ),
        variants=variants,
        budgets=_read_budgets(root, variants, default, words),
        lint=_read_lint(root.table("lint"), words),
        places=_places(document),
    )
    if mistakes:
        raise MistakesError(error for _, error in sorted(mistakes, key=lambda mistake: mistake[0]))
    return settings


def _places(document: Document) -> dict[str, Place]:
    """Of each key, and of each key one level below in a table."""
    keys = [
        key
        for name, value in document.data.items()
        for key in (
            (name,),
            *((name, inner) for inner in (value if isinstance(value, dict) else ())),
        )
    ]
    return {".".join(key): Place(document.shown_path, document.line(key)) for key in keys}


def _read_variants(section: Section) -> dict[str, Variant]:
    """Ours, and those that ``[variants.NAME]`` derives from others; each is there once what it comes from is."""
    waiting = {name: section.table(name) for name in section.names() if _is_new_name(section, name)}
    known = dict(CATALOGUE)
    origins = {name: str(table.raw("from") or DEFAULT) for name, table in waiting.items()}
    while ready := [name for name in waiting if _base(origins[name]) not in waiting]:
        for name in ready:
            known[name] = _read_variant(waiting.pop(name), known)
    for name, table in waiting.items():
        _read_axes(table)
        section.mistaken(f"'{name}' comes from a circle: {_circle(name, origins)}", name, "from")
    return {**known, **dict.fromkeys(waiting, CATALOGUE[DEFAULT])}


def _is_new_name(section: Section, name: str) -> bool:
    if name in CATALOGUE:
        section.mistaken(
            f"'{name}' is built in", name, help="choose another name; `baseline` may be set to it"
        )
    elif not _NAME.fullmatch(name):
        section.mistaken(
            f"'{name}' cannot name a variant", name, help="use letters, digits, '_', '-' and '.'"
        )
    else:
        return True
    return False


def _read_variant(table: Section, known: Mapping[str, Variant]) -> Variant:
    """One variant; where it is mistaken another in its stead, so that its name is no second mistake elsewhere."""
    base = table.read("from", partial(_read_variant_of, known), known[DEFAULT])
    return base._replace(**_read_axes(table))


def _read_axes(table: Section) -> dict[str, Any]:
    table.only(("from", *(axis.name for axis in AXES)))
    read = {
        axis.name: table.read(axis.name, axis_reader(axis.name), None)
        for axis in AXES
        if axis.name in table
    }
    return {name: value for name, value in read.items() if value is not None}


def axis_reader(name: str) -> Any:
    """Reads an axis's value as TOML writes it: ``rates = [6, 12]`` is ``rates=6,12``."""
    axis = next(axis for axis in AXES if axis.name == name)

    def read(value: Any, where: str) -> Any:
        several = (
            isinstance(value, list) and name == "rates" and all(type(rate) is int for rate in value)
        )
        if not several and (isinstance(value, bool) or not isinstance(value, int | float | str)):
            raise ConfigurationError(
                f"{spell(value)} is not a value of the axis '{name}'", where=where
            )
        text = (
            ",".join(map(str, value))
            if several
            else value
            if isinstance(value, str)
            else axis.write(value)
        )
        return axis.read(text, where=where)

    return read


def _base(reference: str) -> str:
    return reference.partition("+")[0].strip()


def _circle(name: str, origins: Mapping[str, str]) -> str:
    path = [name]
    while (following := _base(origins[path[-1]])) not in path:
        path.append(following)
    return " → ".join([*path, following])


def _read_reference(known: Mapping[str, Variant], value: Any, where: str) -> str:
    return parse_reference(read_text(value, where), known, where=where).name


def _read_variant_of(known: Mapping[str, Variant], value: Any, where: str) -> Variant:
    text = read_text(value, where)
    if ":" in text:
        raise ConfigurationError(
            f"'{text}' is no variant, from which another could come",
            where=where,
            help="your own models are named by their reference wherever a model is, in budgets too",
        )
    return parse_variant(text, known, where=where)


def _read_lint(section: Section, words: Vocabulary) -> LintSettings:
    section.only(LINT_KEYS)
    code = partial(_read_code, words.rules)
    return LintSettings(
        select=section.read_each("select", code, ()),
        ignore=section.read_each("ignore", code, ()),
        fail_on=section.read("fail-on", partial(read_known, "severity", words.severities), "never"),
    )


def _read_code(rules: tuple[str, ...], value: Any, where: str) -> str:
    code = read_text(value, where)
    if not any(rule.startswith(code) for rule in rules):
        raise UnknownNameError("rule", code, rules, where=where)
    return code


def _read_budgets(
    root: Section, variants: Mapping[str, Variant], default: str, words: Vocabulary
) -> tuple[Budget, ...]:
    found: dict[str | None, Budget] = {}
    for section in root.tables("budgets"):
        budget = read_budget(section, variants, default, words)
        if budget.id and budget.id in found:
            section.mistaken(f"two budgets have the id '{budget.id}'", "id")
        found[budget.id] = budget
    return tuple(found.values())
