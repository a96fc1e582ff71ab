"""Named variants as a project writes them: ``[variants.NAME]``, each derived from another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from ucseg_cli.errors import ConfigurationError, Place
from ucseg_cli.project.config_section import Section, read_text, spell
from ucseg_cli.references.variants import AXES, CATALOGUE, DEFAULT, Axis, Variant, parse_variant
from ucseg_cli.references.variants.axis_values import Several

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
VARIANT_KEYS = {
    "from": f"the variant that it changes; else {DEFAULT}",
    **{axis.name: f"{axis.meaning} Accepts {axis.accepts}." for axis in AXES},
}
"""The keys of a variant in a configuration, and what each means."""


def read_variants(section: Section) -> dict[str, Variant]:
    """Ours, and the project's, which may stand in any order."""
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
        fix = "choose another name; `baseline` may be set to it"
        section.mistaken(f"'{name}' is built in", name, help=fix)
        return False
    if not NAME.fullmatch(name):
        fix = "use letters, digits, '_', '-' and '.'"
        section.mistaken(f"'{name}' cannot name a variant", name, help=fix)
        return False
    return True


def _read_variant(table: Section, known: Mapping[str, Variant]) -> Variant:
    """One variant; a mistaken one is known, too, so that its name is not a second mistake."""
    base = table.read("from", partial(_read_base, known), known[DEFAULT])
    return base._replace(**_read_axes(table))


def _read_axes(table: Section) -> dict[str, Any]:
    table.only(VARIANT_KEYS)
    values = {axis.name: table.read(axis.name, axis_reader(axis), None) for axis in AXES}
    return {name: value for name, value in values.items() if value is not None}


def axis_reader(axis: Axis) -> Any:
    """A reader of an axis's value as TOML writes it: ``rates = [6, 12]`` is ``rates=6,12``."""

    def read(value: Any, where: Place) -> Any:
        several = isinstance(axis.parse, Several) and isinstance(value, list)
        if several and all(type(rate) is int for rate in value):
            return axis.read(",".join(map(str, value)), where=where)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            what = f"{spell(value)} is not a value of the axis '{axis.name}'"
            raise ConfigurationError(what, where=where)
        return axis.read(value if isinstance(value, str) else axis.write(value), where=where)

    return read


def _read_base(known: Mapping[str, Variant], value: Any, where: Place) -> Variant:
    text = read_text(value, where)
    if ":" in text:
        raise ConfigurationError(
            f"'{text}' is not a variant, from which another could come",
            where=where,
            help="your own models are named by their reference wherever a model is, in budgets too",
        )
    return parse_variant(text, known, where=where)


def _base(reference: str) -> str:
    return reference.partition("+")[0].strip()


def _circle(name: str, origins: Mapping[str, str]) -> str:
    path = [name]
    while (following := _base(origins[path[-1]])) not in path:
        path.append(following)
    return " → ".join([*path, following])
