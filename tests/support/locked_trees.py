"""The figures that a lock records of a variant, from whichever traces a room has."""

from __future__ import annotations

from collections.abc import Callable

from support.fixture_types import TraceOf
from ucseg_cli.analysis.comparing.drift import locked_tree
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.lock import Tree
from ucseg_cli.references.variants import Variant, as_variant

TreeOf = Callable[..., Tree]


def trees_from(trace_of: TraceOf) -> TreeOf:
    """A function of a model and sides that gives the figures at these square sizes."""

    def tree_of(model: str | Variant, *sides: int) -> Tree:
        variant = as_variant(model)
        sizes = [Size(side, side) for side in sides or (32,)]
        traces = {str(size): trace_of(variant, Conditions(size)) for size in sizes}
        return locked_tree({size: Subject("m", trace, variant) for size, trace in traces.items()})

    return tree_of
