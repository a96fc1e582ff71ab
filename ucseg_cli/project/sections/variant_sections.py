"""Named variants as a project writes them: ``[variants.NAME]``, each derived from another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from ucseg_cli.errors import ConfigurationError, Place, UsageError
from ucseg_cli.project.sections.config_section import Section, read_text, spell
from ucseg_cli.references import (
    Argument,
    FromCheckpoint,
    FromFile,
    Model,
    parse_reference,
    with_arguments,
)
from ucseg_cli.references.variants import AXES, CATALOGUE, DEFAULT, Axis, Variant
from ucseg_cli.references.variants.axis_values import Several

_NOTHING = object()
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
VARIANT_KEYS = {
    "from": f"the variant that it changes, or any other model; else {DEFAULT}",
    **{axis.name: f"{axis.meaning} Accepts {axis.accepts}." for axis in AXES},
}
"""The keys of a variant of the family in a configuration, and what each means."""


def read_variants(section: Section, folder: Path, *, now: bool = True) -> dict[str, Model]:
    """Ours, and the project's, which may stand in any order; sources stand beneath *folder*.

    Their files have to be there *now*, unless the section is of another revision.
    """
    waiting = {name: section.table(name) for name in section.names() if _is_new_name(section, name)}
    known: dict[str, Model] = dict(CATALOGUE)
    origins = {name: str(table.raw("from") or DEFAULT) for name, table in waiting.items()}
    while ready := [name for name in waiting if _base(origins[name]) not in waiting]:
        for name in ready:
            known[name] = _read_variant(waiting.pop(name), known, folder, now=now)
    for name in waiting:
        section.mistaken(f"'{name}' comes from a circle: {_circle(name, origins)}", name, "from")
    return {**known, **dict.fromkeys(waiting, CATALOGUE[DEFAULT])}


def _is_new_name(section: Section, name: str) -> bool:
    if name in CATALOGUE:
        fix = "choose another name; `baseline` may be set to it"
        section.mistaken(f"'{name}' is built in", name, help=fix)
        return False
    return may_name(section, name, "variant")


def may_name(section: Section, name: str, noun: str) -> bool:
    """Whether a name can be typed; one that cannot is a mistake of the section."""
    if not NAME.fullmatch(name):
        fix = "use letters, digits, '_', '-' and '.'"
        section.mistaken(f"'{name}' cannot name a {noun}", name, help=fix)
        return False
    return True


def _read_variant(table: Section, known: Mapping[str, Model], folder: Path, *, now: bool) -> Model:
    """One variant; a mistaken one is known, too, so that its name is not a second mistake."""
    base = table.read("from", partial(_read_base_now if now else _read_base, known, folder), None)
    if base is None and "from" in table:
        _read_arguments(table)
        return FromFile("", "")  # with which every key below it may be right
    if base is None or isinstance(base, Variant):
        return (base or CATALOGUE[DEFAULT])._replace(**_read_axes(table))
    arguments = _read_arguments(table)
    try:
        return with_arguments(base, arguments, table.place("from"))
    except UsageError as error:
        table.mistaken(error.what, "from")
        return base


def _read_arguments(table: Section) -> list[Argument]:
    """Every other key is an argument of the constructor, its value as Python has it."""
    names = [name for name in table.names() if name != "from"]
    for name in names:
        if not name.isidentifier():
            table.mistaken(f"'{name}' cannot be the name of an argument", name)
    read = [(name, table.read(name, read_literal, _NOTHING)) for name in names]
    return [Argument.of(name, value) for name, value in read if value is not _NOTHING]


def read_literal(value: Any, where: Place) -> Any:
    """Text, a number, a boolean, or arrays and tables of these."""
    if isinstance(value, list):
        return [read_literal(element, where) for element in value]
    if isinstance(value, dict):
        return {name: read_literal(element, where) for name, element in value.items()}
    is_number = isinstance(value, int | float) and isfinite(value)
    if not is_number and not isinstance(value, str):
        what = f"{spell(value)} cannot be an argument"
        fix = "write text, a number, true or false, or an array of these"
        raise ConfigurationError(what, where=where, help=fix)
    return value


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


def _read_base(known: Mapping[str, Model], folder: Path, value: Any, where: Place) -> Model:
    """The base of another: a named one, a variant, or a source."""
    return parse_reference(read_text(value, where), known, where=where, beneath=folder).model


def _read_base_now(known: Mapping[str, Model], folder: Path, value: Any, where: Place) -> Model:
    """The same; raises ConfigurationError if the file of a source is not there."""
    model = _read_base(known, folder, value, where)
    if isinstance(model, FromFile | FromCheckpoint) and not Path(model.path).exists():
        raise ConfigurationError(
            f"there is no file {model.path}",
            where=where,
            help="paths are relative to the folder of the configuration",
        )
    return model


def _base(reference: str) -> str:
    return reference.partition("+")[0].strip()


def _circle(name: str, origins: Mapping[str, str]) -> str:
    path = [name]
    while (following := _base(origins[path[-1]])) not in path:
        path.append(following)
    return " → ".join([*path, following])
