"""A model and the taps that ``ucseg probe`` looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ucseg_cli.analysis.geometry.tap_shapes import TapShape, tap_shapes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Tap


class Probed(NamedTuple):
    """A model on one input; *taps* are those asked for, None for the model's own."""

    subject: Subject
    conditions: Conditions
    taps: tuple[Tap, ...] | None = None

    @property
    def shapes(self) -> tuple[TapShape, ...]:
        """The tensors of its taps."""
        return tap_shapes(self.subject.trace, self.taps)


def share_names(names: Sequence[frozenset[str]]) -> bool:
    """Whether any name is of more than one, so that rows side by side say something."""
    return len(frozenset[str]().union(*names)) < sum(map(len, names))
