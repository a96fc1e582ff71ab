"""Named spaces as a project writes them: ``[spaces.NAME]``, axes of a model with their values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ucseg_cli.errors import ConfigurationError, Place
from ucseg_cli.facts.settings import SavedAxis, SavedSpace, Settings
from ucseg_cli.project.sections.config_section import Section, read_text, spell
from ucseg_cli.project.sections.variant_sections import axis_reader, may_name, read_literal
from ucseg_cli.references import Argument, Reference
from ucseg_cli.references.variants import AXES, Axis, Variant

SPACE_KEYS = {
    "from": "the model whose axes are varied",
    **{axis.name: f"{axis.meaning} Values as `--vary` takes them, or a list." for axis in AXES},
}
"""The keys of a space of the family in a configuration, and what each means."""


def read_spaces(section: Section, known: Settings) -> Mapping[str, SavedSpace]:
    """Every space; what is wrong goes to the section's mistakes."""
    return {
        name: _read_space(section.table(name), known)
        for name in section.names()
        if _is_free_name(section, name, known)
    }


def _is_free_name(section: Section, name: str, known: Settings) -> bool:
    if name in known.variants:
        fix = "choose another name: `ucseg sweep NAME` takes both"
        section.mistaken(f"'{name}' is a variant", name, help=fix)
        return False
    return may_name(section, name, "space")


def _read_space(table: Section, known: Settings) -> SavedSpace:
    if "from" not in table:
        table.mistaken("a space needs 'from'", help='as in from = "v2"')
    base = table.read("from", partial(_read_base, known), None)
    variant = base.variant if base else None
    names = [name for name in table.names() if name != "from"]
    if variant is not None:
        table.only(SPACE_KEYS)
        names = [axis.name for axis in AXES if axis.name in table]
        read = {axis.name: partial(_read_axis, axis, variant) for axis in AXES}
    else:
        read = {name: partial(_read_argument, name) for name in names}
    if not names:
        table.mistaken("a space needs an axis to vary", help='as in backbone = "9..11"')
    axes = (table.read(name, read[name], None) for name in names)
    found = tuple(axis for axis in axes if axis is not None)
    return SavedSpace(base or known.default, found)


def _read_base(known: Settings, value: Any, where: Place) -> Reference:
    return known.find_written(read_text(value, where), where)


def _read_axis(axis: Axis, variant: Variant, value: Any, where: Place) -> SavedAxis:
    """The values of an axis of the family, each of which has to be one."""
    here = where._replace(key="")
    if isinstance(value, str):
        from ucseg_cli.references.vary import family_axes, parse_values  # few have spaces

        open_axis = family_axes(variant)[axis.name]
        open_axis.vary(parse_values(value.strip(), open_axis, where), where)
        return SavedAxis(axis.name, value.strip(), here)
    read = axis_reader(axis)
    texts = (axis.write(read(one, where)) for one in _elements(value, where))
    return SavedAxis(axis.name, tuple(texts), here)


def _read_argument(name: str, value: Any, where: Place) -> SavedAxis:
    """The values of an argument of any constructor, which are checked when it is called."""
    here = where._replace(key="")
    if not name.isidentifier():
        what = f"'{name}' cannot be the name of an argument"
        raise ConfigurationError(what, where=where)
    if isinstance(value, str):
        return SavedAxis(name, read_text(value, where), here)
    literals = (read_literal(one, where) for one in _elements(value, where))
    return SavedAxis(name, tuple(Argument.of(name, one).text for one in literals), here)


def _elements(value: Any, where: Place) -> list[Any]:
    """Each of several values, or the one."""
    if value == []:
        raise ConfigurationError("it is empty", where=where, help='as in ["regular", "separable"]')
    if isinstance(value, dict):
        what = f"{spell(value)} is not a list of values"
        raise ConfigurationError(what, where=where, help="write a list, or text as `--vary` takes")
    return value if isinstance(value, list) else [value]
