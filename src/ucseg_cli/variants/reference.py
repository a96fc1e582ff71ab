"""The reference grammar: how a person names a model.

    reference := NAME ( "+" AXIS "=" VALUE )*

``v2`` is a named variant, ``v2+backbone=10+rates=6,12`` the same with two axes changed. Later changes of one
axis win. A path to a file, a module or ``torchvision:`` names a model outside the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.variants.axes import BY_NAME
from ucseg_cli.variants.catalogue import CATALOGUE
from ucseg_cli.variants.variant import Variant


class Reference(NamedTuple):
    """A model as it was named, and the variant that the name stands for."""

    name: str
    variant: Variant


def parse_reference(text: str, named: Mapping[str, Variant] = CATALOGUE, *, where: str | None = None) -> Reference:
    """The model that *text* names, among the variants that are *named*.

    Raises UsageError (unknown variant, axis or value; a model outside the family), each with the nearest known name.
    """
    name, *assignments = text.strip().split("+")
    if ":" in name:
        raise UsageError(
            f"'{text}' names a model outside the family, which this version cannot load",
            where=where,
            help="name a variant such as v2 or v2+backbone=10; `ucseg list` shows them all",
        )
    if name not in named:
        raise UnknownNameError("variant", name, named, where=where, hint="`ucseg list` shows them all")
    changed = dict(_parse_assignment(assignment, where or text) for assignment in assignments)
    return Reference(text.strip(), named[name]._replace(**changed))


def as_variant(model: str | Variant) -> Variant:
    """A variant given as itself or as a reference."""
    return model if isinstance(model, Variant) else parse_reference(model).variant


def _parse_assignment(text: str, where: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(
            f"'+{text}' does not say what to change", where=where, help="write +AXIS=VALUE, as in v2+backbone=10"
        )
    if name not in BY_NAME:
        raise UnknownNameError("axis", name, BY_NAME, where=where, hint="`ucseg explain axes` tells what each governs")
    return name, BY_NAME[name].read(value, where=where)
