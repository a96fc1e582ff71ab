"""A configured model beside itself at a revision."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.analysis.comparing.comparison import Comparison
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import UcsegError


class ModelSince(NamedTuple):
    """A model and what became of it: a comparison, or just what it is if it is new.

    *failure* is why one of the two has no figures.
    """

    name: str
    comparison: Comparison | None = None
    new: Subject | None = None
    failure: UcsegError | None = None

    @property
    def status(self) -> str:
        """``new``, ``error``, ``changed`` or ``unchanged``."""
        if self.new is not None:
            return "new"
        if self.comparison is None:
            return "error"
        return "unchanged" if self.comparison.is_same else "changed"
