"""Everything that a project settles for itself, with where each value came from; what is built in where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ucseg_cli.facts.budget import Budget, Place
from ucseg_cli.facts.conditions import Size
from ucseg_cli.references import parse_reference
from ucseg_cli.references.variants import BASELINE, CATALOGUE, DEFAULT, Variant

DEFAULT_CONVENTION = "fvcore"
FAIL_ON = ("never", "info", "warning", "error")
"""From which severity on a finding of the linter fails."""


class LintSettings(NamedTuple):
    """Which rules are looked for, and from which severity on a finding fails."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = "never"


class Settings(NamedTuple):
    """What is in force.

    Args:
        path: the file that it comes from; None where nothing is configured.
        variants: every variant with a name, ours and the project's.
        sizes: the inputs of commands that take several; the first is that of the others.
        places: where each value that is not built in stands, by key.
    """

    path: Path | None = None
    default: str = DEFAULT
    baseline: str = BASELINE
    sizes: tuple[Size, ...] = (Size(),)
    convention: str = DEFAULT_CONVENTION
    variants: Mapping[str, Variant] = CATALOGUE
    budgets: tuple[Budget, ...] = ()
    lint: LintSettings = LintSettings()
    places: Mapping[str, Place] = MappingProxyType({})

    @property
    def family_baseline(self) -> tuple[str, Variant]:
        """The variant to hold variants' axes against, by name: the baseline where it is of the family, else ours."""
        variant = parse_reference(self.baseline, self.variants).variant
        return (BASELINE, CATALOGUE[BASELINE]) if variant is None else (self.baseline, variant)

    def place_of(self, model: str) -> Place | None:
        """The line that defines a named variant, or the one that a reference changes; None for what is not configured."""
        return self.places.get(f"variants.{model.partition('+')[0]}")
