"""The family's part of the reference grammar: how a user names a variant.

    variant := NAME ( "+" AXIS "=" VALUE )*

``v2`` is a named variant, ``v2+backbone=10+rates=6,12`` the same with two axes changed. The
later of two values for one axis wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.references.variants.axes import BY_NAME
from ucseg_cli.references.variants.catalogue import CATALOGUE
from ucseg_cli.references.variants.variant import Variant


def parse_variant(
    text: str, named: Mapping[str, Any] = CATALOGUE, *, where: Where = None
) -> Variant:
    """The variant of the family that *text* names, among those *named*.

    Raises UsageError (unknown variant, axis or value), each with the nearest known name.
    """
    name, *assignments = text.strip().split("+")
    if name not in named:
        raise UnknownNameError(
            "variant", name, named, where=where, hint="`ucseg list` shows them all"
        )
    changed = dict(_parse_assignment(assignment, where or text) for assignment in assignments)
    base: Variant = named[name]
    return base._replace(**changed)


def as_variant(model: str | Variant) -> Variant:
    """A variant given as itself or by name."""
    return model if isinstance(model, Variant) else parse_variant(model)


def _parse_assignment(text: str, where: Where) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(
            f"'+{text}' does not say what to change",
            where=where,
            help="write +AXIS=VALUE, as in v2+backbone=10",
        )
    if name not in BY_NAME:
        raise UnknownNameError(
            "axis", name, BY_NAME, where=where, hint="`ucseg explain axes` says what each governs"
        )
    return name, BY_NAME[name].read(value, where=where)
