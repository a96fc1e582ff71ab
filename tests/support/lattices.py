"""The variants of the family between two, and the cache entry that their totals have."""

from __future__ import annotations

from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.gate.tracing import Request, totals_key
from ucseg_cli.references.designs import Taken, lattice
from ucseg_cli.references.variants import Variant, changes


def counted_axes(before: Variant, after: Variant) -> list[str]:
    """The axes on which two differ, without those that change no count."""
    found = changes(before.values, after.values)
    return [change.axis.name for change in found if change.axis.counted]


def family_lattice(before: Variant, after: Variant) -> dict[Taken, Variant]:
    """Every variant between two, by the axes taken from the second."""
    found = lattice(before, after, counted_axes(before, after))
    return {taken: model for taken, model in found.items() if isinstance(model, Variant)}


def key_between(before: Variant, after: Variant, conditions: Conditions) -> str:
    """The cache entry of the totals of all between two that are traced themselves."""
    between = list(family_lattice(before, after).values())[1:-1]
    key = totals_key([Request(variant, conditions) for variant in between], (), deploy=False)
    assert key is not None
    return key
