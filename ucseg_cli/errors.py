"""What can go wrong, each class with its exit status; the tree is drawn here.

    UcsegError                      2   no verdict
    ├── UsageError                  2   what was typed does not fit the grammar
    │   ├── UnknownNameError        2   a name that does not exist; carries the nearest known one
    │   └── ConfigurationError      2   a configuration or lock file says what it cannot
    ├── MistakesError               2   several of these at once
    ├── ModelError                  2   the model cannot be built, or cannot run on this input
    ├── ResourceError               2   this machine cannot do it: memory, a missing library
    ├── OutputError                 2   an answer could not be written where it was asked for
    └── InterruptionError         130   the person stopped it

A gate that fails (exit 1) is an answer, not an error: its command returns the status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any


class ExitStatus(IntEnum):
    """Every way a command can end. It never depends on the output format."""

    OK = 0
    GATE_FAILED = 1
    NO_VERDICT = 2
    INTERRUPTED = 130
    READER_GONE = 141


MOST_NAMES = 24
"""More than these nobody reads in an error."""


class UcsegError(Exception):
    """A failure told to the person as what, where and how to fix.

    Args:
        what: one sentence without a final full stop.
        where: the place, such as ``--max params=65x`` or ``budgets.toml:12``.
        notes: facts that help, such as ``known: v1, v2, v3``.
        help: what to type or do instead.
    """

    exit_status = ExitStatus.NO_VERDICT
    kind = "error"

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        notes: Iterable[str] = (),
        help: str | None = None,  # noqa: A002 - the word on the screen
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.notes = tuple(notes)
        self.help = help


class UsageError(UcsegError):
    """What was typed does not fit the grammar."""

    kind = "usage"


class UnknownNameError(UsageError):
    """A name that does not exist, with the known ones and the nearest.

    Args:
        noun: what the name should have been, such as ``variant``.
        name: what was typed.
        known: every name that would have been accepted.
        hint: a sentence added to the help line.
    """

    kind = "unknown-name"

    def __init__(
        self,
        noun: str,
        name: str,
        known: Iterable[str],
        *,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        known = tuple(known)
        nearest = nearest_name(name, known)
        suggestion = f"did you mean '{nearest}'?" if nearest else None
        super().__init__(
            f"no {noun} named '{name}'",
            where=where,
            notes=(f"known: {_listed(name, known)}",),
            help=" ".join(part for part in (suggestion, hint) if part) or None,
        )


class ConfigurationError(UsageError):
    """A file of the project's that cannot be read, or says what it cannot."""

    kind = "configuration"


class MistakesError(UcsegError):
    """Everything that is wrong with one file, each told as an error of its own."""

    kind = "mistakes"

    def __init__(self, errors: Iterable[UcsegError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.what, where=first.where, notes=first.notes, help=first.help)


class ModelError(UcsegError):
    """The model cannot be built, or its forward pass cannot run on this input."""

    kind = "model"


class ResourceError(UcsegError):
    """The machine lacks what the answer needs."""

    kind = "resource"


class OutputError(UcsegError):
    """An answer could not be written where it was asked for."""

    kind = "output"


class InterruptionError(UcsegError):
    """The person stopped it."""

    exit_status = ExitStatus.INTERRUPTED
    kind = "interrupted"


def _listed(name: str, known: tuple[str, ...]) -> str:
    """All of them, or of many those that are most like *name*."""
    if len(known) <= MOST_NAMES:
        return ", ".join(known)
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=8, cutoff=0)
    return f"{', '.join(near)}, and {len(known) - len(near)} others"


def encode_error(error: UcsegError) -> dict[str, Any]:
    """The error as JSON can hold it, for another process to raise."""
    return {
        "kind": error.kind,
        "what": error.what,
        "where": error.where,
        "notes": error.notes,
        "help": error.help,
    }


def decode_error(data: Mapping[str, Any]) -> UcsegError:
    """The error that was encoded, of its class, or of the nearest that needs no more than its words."""
    classes = {
        each.kind: each for each in (ConfigurationError, ModelError, ResourceError, OutputError)
    }
    usage = data["kind"] in {UsageError.kind, UnknownNameError.kind}
    error = classes.get(data["kind"], UsageError if usage else ModelError)(
        data["what"], where=data["where"], notes=tuple(data["notes"]), help=data["help"]
    )
    error.kind = data["kind"]
    return error


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like *name*, or None where none is close."""
    from difflib import get_close_matches  # only ever needed once something has gone wrong

    folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None
