"""The figures of a whole space: one column for each metric on each input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ucseg_cli.facts.conditions import Conditions

Figures = Sequence[int | None]
"""A figure for each variant, in the order of the space; None where a variant has none."""


class Measure(NamedTuple):
    """A metric on an input.

    Args:
        metric: its name, of a cost or a benefit; ``output-stride:mid`` names a tap as well.
        at: the input.
        label: the name of its column: the metric, with the input where that is not the command's,
            as in ``fvcore@512``.
    """

    metric: str
    at: Conditions
    label: str


class Swept(NamedTuple):
    """The figures of every variant.

    Args:
        columns: the figures by the label of their measure.
        reasons: by index, why a variant cannot be built or run; its figures are None.
    """

    columns: Mapping[str, Figures]
    reasons: Mapping[int, str]

    @property
    def size(self) -> int:
        """How many variants there are; 0 without any measure."""
        return max(map(len, self.columns.values()), default=0)
