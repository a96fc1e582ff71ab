"""What an answer is about: a model under the name it was given, with its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import Variant

if TYPE_CHECKING:
    from ucseg_cli.analysis.counting.fold_batch_norms import Folding


class Subject(NamedTuple):
    """A traced model.

    Args:
        variant: None for a model outside the family.
        folding: how its trace was rewritten, if it was.
        known_as: the reference to the variant, for a person's own model that was recognised as one.
    """

    name: str
    trace: Trace
    variant: Variant | None = None
    folding: Folding | None = None
    known_as: str | None = None

    def role(self, path: str) -> str:
        """The path with positions that mean something said in words, so that like is compared with like."""
        for position, role in (self.variant.roles() if self.variant else {}).items():
            if path == position or path.startswith(f"{position}."):
                return role + path.removeprefix(position)
        return path

    def place(self, path: str) -> str:
        """The part of the design that the module belongs to: a whole ASPP branch by its role, else the module itself."""
        for position, role in (self.variant.roles() if self.variant else {}).items():
            if f"{path}.".startswith(f"{position}."):
                return role
        return path
