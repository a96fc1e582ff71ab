"""A budget: what is limited, by how much, and where that is written."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.errors import Place
from ucseg_cli.facts.conditions import Given, Size
from ucseg_cli.facts.training import Training
from ucseg_cli.references import Reference
from ucseg_cli.units import Quantity, parse_quantity

LOCK_ID = "lock"
"""The lock among budgets; no budget may have this id."""

BUDGET_KEYS = {
    "id": "its name, which no other has",
    "variant": "a name, a reference, or a pattern of names; else the default model",
    "module": "a path or pattern: * is within a name, ** crosses names; else the whole network",
    "metric": "see `ucseg explain metrics`",
    "dtype": "for bytes, moved-bytes and peak-memory: as if floating-point tensors were of it",
    "size": "one or several; else those of the configuration",
    "batch": "images in the input; else that of the command line",
    "input": "what goes in instead of an image, as `--input` takes it; instead of size",
    "optimizer": "of the step that train-memory is of: sgd, momentum, adam, adamw",
    "loss": "of that step: cross-entropy or mean; else by the output",
    "amp": "true for that step under autocast to bfloat16",
    "freeze": "patterns of modules without gradients in that step",
    "checkpoint": "patterns of modules that run again in its backward",
    "max": "the largest value that passes",
    "vs-baseline": "how much more than the baseline there may be: +2%, +50k, -10%",
    "warn": "a value beyond it is reported and passes; written as the limit is",
    "message": "what to say if it is exceeded",
}
"""The keys of a budget in a configuration, and what each means."""

TRAINING_KEYS = ("optimizer", "loss", "amp", "freeze", "checkpoint")
"""Its keys that are about a training step."""

LIMITS = ("max", "vs-baseline", "warn")
"""Its keys that limit something; a budget has at least one."""


class Bound(NamedTuple):
    """The largest value allowed: ``ratio`` times the baseline's, rounded down, plus ``offset``.

    *text* is as written; *against_baseline* says whether it depends on the baseline at all.
    """

    ratio: Fraction
    offset: int
    text: str
    against_baseline: bool = False

    def limit(self, baseline: int) -> int:
        """The bound as a number. Counts are whole, so this decides as the exact ratio would."""
        return int(self.ratio * baseline // 1) + self.offset


class Figure(NamedTuple):
    """A figure as a document has it, and the notation of one in its place.

    Where none is written yet, *text* is empty.
    """

    text: str
    notation: Quantity

    def fits(self, count: int) -> bool:
        """Whether it is what *count* rounds to."""
        return bool(self.text) and self.notation.fits(count)

    def corrected(self, count: int) -> Figure:
        """The figure that says *count* in the same notation."""
        text = self.notation.write(count)
        return Figure(text, parse_quantity(text, in_bytes=True))


class Budget(NamedTuple):
    """A limit on a metric of models, or a figure that a document gives for one.

    Args:
        id: its name; limits of the command line have none and are named by what they say.
        variants: the models that it limits.
        module: a path or a pattern of paths; None for the whole network.
        sizes: the inputs; empty if those of the command or the configuration apply.
        batch: images in an input; None for as many as the command has.
        input: what goes in instead of images of *sizes*.
        training: the step that it is about, if it is about one.
        max: fails beyond it. warn: is reported beyond it, and passes.
        figure: instead of limits, what is written about the model; fails if it is another.
        place: the line to edit; module_place and warn_place those of module and warn.
    """

    id: str | None
    variants: tuple[Reference, ...]
    metric: str
    module: str | None = None
    dtype: str | None = None
    sizes: tuple[Size, ...] = ()
    batch: int | None = None
    input: Given | None = None
    training: Training | None = None
    max: Bound | None = None
    warn: Bound | None = None
    figure: Figure | None = None
    message: str | None = None
    place: Place | None = None
    module_place: Place | None = None
    warn_place: Place | None = None

    @property
    def relative(self) -> Bound | None:
        """The bound that depends on the baseline, if one does."""
        bounds = (self.max, self.warn)
        return next((bound for bound in bounds if bound and bound.against_baseline), None)
