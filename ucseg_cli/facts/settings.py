"""Everything that a project sets for itself, with where each value came from, and the defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ucseg_cli.errors import Place, Where
from ucseg_cli.facts.choices import DEFAULT_CONVENTION, FAIL_ON, TIMEOUT
from ucseg_cli.facts.conditions import Given, Size, parse_inputs
from ucseg_cli.references import Model, Reference, parse_reference
from ucseg_cli.references.grammar import no_names
from ucseg_cli.references.variants import BASELINE, CATALOGUE, DEFAULT, Variant

if TYPE_CHECKING:
    from ucseg_cli.facts.budget import Budget
    from ucseg_cli.facts.trace import Price


class LintSettings(NamedTuple):
    """Which rules are looked for, and the severity from which a finding fails."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = FAIL_ON[0]


class SavedAxis(NamedTuple):
    """The values of an axis in a saved space: as `--vary` takes them, or each as its own text."""

    name: str
    values: str | tuple[str, ...]
    place: Place


class SavedSpace(NamedTuple):
    """A space that the configuration names."""

    base: Reference
    axes: tuple[SavedAxis, ...]


class SavedMachine(NamedTuple):
    """A machine that the configuration names; None for what it leaves open.

    Args:
        cpu, gpu: names, in which ``*`` stands for any letters.
        cores: how many this process may use.
        threads: with how many models are timed there.
        governor: the one that has to be set.
    """

    cpu: str | None = None
    cores: int | None = None
    threads: int | None = None
    governor: str | None = None
    gpu: str | None = None


class Settings(NamedTuple):
    """Everything in force.

    Args:
        path: the file that it comes from; None if nothing is configured.
        variants: every named variant, ours and the project's.
        prices: the project's own, of operators that a convention has none for.
        timeout: seconds that a user's code may take.
        sizes: the inputs of commands that take several; the others take the first.
        spaces: the spaces that `ucseg sweep NAME` knows.
        machines: those that `ucseg latency --on NAME` knows.
        variants_at: the named variants as the configuration has them at a revision.
        places: where each value that is not built in stands, by key.
    """

    path: Path | None = None
    default: Reference = Reference(DEFAULT, CATALOGUE[DEFAULT])
    baseline: Reference = Reference(BASELINE, CATALOGUE[BASELINE])
    sizes: tuple[Size, ...] = (Size(),)
    convention: str = DEFAULT_CONVENTION
    variants: Mapping[str, Model] = CATALOGUE
    budgets: tuple[Budget, ...] = ()
    prices: tuple[Price, ...] = ()
    lint: LintSettings = LintSettings()
    timeout: float = TIMEOUT
    spaces: Mapping[str, SavedSpace] = MappingProxyType({})
    machines: Mapping[str, SavedMachine] = MappingProxyType({})
    variants_at: Callable[[str, Where], Mapping[str, Model]] = no_names
    places: Mapping[str, Place] = MappingProxyType({})

    @property
    def folder(self) -> Path:
        """Where the files of the project lie: that of the configuration, else where we are."""
        return self.path.parent if self.path else Path.cwd()

    def find(self, text: str | Reference, where: Where = None) -> Reference:
        """The model that a user typed; raises UsageError with the nearest known name.

        From Python it may be a reference already.
        """
        if isinstance(text, Reference):
            return text
        beside = self.path.parent if self.path else None
        known = self.variants
        return parse_reference(text, known, where=where, beside=beside, named_at=self.variants_at)

    def find_written(self, text: str, where: Place) -> Reference:
        """The model that a file of the project names, which stands beneath its folder.

        Raises UsageError as *find* does, and ConfigurationError for anything else.
        """
        known, folder = self.variants, self.folder
        return parse_reference(text, known, where=where, beneath=folder, named_at=self.variants_at)

    def find_input(self, text: str) -> Given:
        """The input that a user typed, a function's file found as *find* does; see parse_inputs."""
        return parse_inputs(text, beside=self.path.parent if self.path else None)

    def find_written_input(self, text: str, where: Place) -> Given:
        """The same in a file of the project, which names only what stands beneath its folder."""
        return parse_inputs(text, where=where, beneath=self.folder)

    @property
    def family(self) -> dict[str, Variant]:
        """The named variants that are of the built-in family."""
        return {name: v for name, v in self.variants.items() if isinstance(v, Variant)}

    @property
    def family_baseline(self) -> tuple[str, Variant]:
        """The variant that axes are compared with: the baseline if it is of the family, else v1."""
        if self.baseline.variant is None:
            return BASELINE, CATALOGUE[BASELINE]
        return self.baseline.name, self.baseline.variant

    def place_of(self, model: str) -> Place | None:
        """The line that defines a named variant, or the one that a reference changes."""
        return self.places.get(f"variants.{model.partition('+')[0]}")
